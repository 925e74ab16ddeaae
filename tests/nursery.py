"""Where a mutant's tests run: a process that has everything loaded but the project itself.

Twenty-five fresh interpreters would spend ten times as long starting as testing. Nothing of the
project may be imported here.
"""

import os
import sys
from pathlib import Path

import channels.generic.http
import channels.generic.websocket
import channels.testing
import daphne.server  # type: ignore[import-untyped] # it has no types
import h11
import hypothesis
import hypothesis.stateful
import msgspec
import pytest
import websockets.client

__all__ = ["channels", "daphne", "h11", "hypothesis", "msgspec", "pytest", "websockets"]

PROJECT = ("consumers", "routing", "sandbox", "tests")


def run(tree: str, tests: str, output: str) -> None:
    """Run ``tests`` of the project in ``tree``, write what pytest says, exit as pytest does."""
    for name in [name for name in sys.modules if name.partition(".")[0] in PROJECT]:
        del sys.modules[name]
    sys.path.insert(0, tree)
    os.chdir(tree)
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    with Path(output).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "--tb=short", "-n0"]
    # The libraries above are here before pytest could rewrite their assertions.
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    sys.exit(pytest.main([*arguments, tests]))
