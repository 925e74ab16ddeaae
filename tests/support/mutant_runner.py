"""Where a mutant's tests run: a process that has everything loaded but the project itself.

Twenty-five fresh interpreters would spend ten times as long starting as testing. Nothing of the
project may be imported here.
"""

import gc
import os
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest

for library in (
    "channels.generic.http",
    "channels.generic.websocket",
    "channels.testing",
    "channels_redis.core",
    "channels_redis.pubsub",
    "daphne.server",
    "environs",
    "h11",
    "hypothesis.stateful",
    "marshmallow",
    "msgspec",
    "redis.asyncio",
    "rich.console",
    "websockets.client",
    *(plugin.module for plugin in entry_points(group="pytest11")),
):
    import_module(library)
gc.freeze()  # pytest collects garbage often, and all this is none

PROJECT = ("consumers", "routing", "sandbox", "tests")


def run(tree: str, tests: str, output: str) -> None:
    """Run ``tests`` of the project in ``tree``, write what pytest says, exit as pytest does."""
    for name in [name for name in sys.modules if name.partition(".")[0] in PROJECT]:
        del sys.modules[name]
    sys.path.insert(0, tree)
    os.chdir(tree)
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    os.environ["SANDBOX_TEST_EDITIONS"] = "echo"
    with Path(output).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # Rewriting the assertions, for a report that is not read, takes as long as the tests.
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "--tb=short", "-n0", "--assert=plain"]
    sys.exit(pytest.main([*arguments, tests]))
