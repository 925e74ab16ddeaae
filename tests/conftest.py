"""What all tests share: Hypothesis profiles and a real server."""

import logging
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from pytest_django import DjangoDbBlocker
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from sandbox.processes.redis import NO_PROGRAM, Redis, find_server
from sandbox.processes.servers import Server, serve
from tests.support.harness import examples_tried

# An example of five round trips has no fixed price on a shared machine: no deadline.
settings.register_profile(
    "dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=4500)
# One failing example is enough to catch a mutant: it need not be made smaller or kept.
settings.register_profile(
    "mutants",
    settings.get_profile("dev"),
    phases=[Phase.explicit, Phase.generate],
    database=None,
    derandomize=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so has a shell what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Thousands of connections would drown what a failure has to say.
logging.getLogger("consumers").setLevel(logging.WARNING)


LONGEST = (
    "tests/consumers/test_rooms_state.py",
    "tests/consumers/test_in_process.py",
    "tests/compare",
    "tests/site",
    "tests/consumers/test_on_the_wire.py",
    "tests/test_mutants.py",
    "tests/bench/test_bench.py",
    "tests/bench/test_delivery.py",
)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # has no annotations
    """Tests that share slow fixtures run in one process: those of a file, or of a path in LONGEST.

    ``--dist loadfile`` would make the fixtures of a folder once for each file, and groups are
    ignored by pytest 9.2: github.com/pytest-dev/pytest-xdist/issues/1386
    """

    def _split_scope(self, nodeid: str) -> str:
        return self.scope(nodeid)

    @staticmethod
    def scope(nodeid: str) -> str:
        together = (path for path in LONGEST if nodeid.startswith(path))
        return next(together, nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


def says_what_it_shows(item: pytest.Item) -> bool:
    """Whether a test has a docstring of one sentence."""
    function = getattr(item, "function", None)
    if getattr(function, "is_hypothesis_test", False) and item.name == "runTest":
        return True  # a state machine: its class has the sentence
    sentence = " ".join((getattr(function, "__doc__", None) or "").split())
    return sentence.endswith(".") and ". " not in sentence


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Check that each test has its sentence, give properties more time, begin with the longest."""
    if unsaid := [item.nodeid for item in items if not says_what_it_shows(item)]:
        raise pytest.UsageError(
            "A test says in a docstring of one sentence what it shows: " + ", ".join(unsaid)
        )
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.timeout(120 + settings().max_examples // 4))
    order = {path: place for place, path in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(Scheduling.scope(item.nodeid), len(order)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts to the process that gathers the results, where tests run in several."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["examples tried"] = dict(examples_tried)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    examples_tried.update(node.workeroutput["examples tried"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many examples the comparative tests tried."""
    if examples_tried:
        terminalreporter.section("examples tried")
    for what, count in sorted(examples_tried.items()):
        terminalreporter.write_line(f"{count:>7,} {what}")


@pytest.fixture(scope="session", autouse=True)
def _database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let Channels look after database connections: it does so before each message."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def daphne(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Daphne of our own on a free port, with a database of its own."""
    database = tmp_path_factory.mktemp("daphne") / "db.sqlite3"
    environment = {"DATABASE_URL": f"sqlite:///{database}", "LOG_LEVEL": "DEBUG"}
    with serve("daphne", environment=environment) as server:
        yield server


@pytest.fixture
def daphne_port(daphne: Server) -> int:
    return daphne.port


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    """A Redis of our own, that a test may kill."""
    if not find_server():
        if os.environ.get("CI"):
            pytest.fail(NO_PROGRAM)
        pytest.skip(NO_PROGRAM)
    with Redis() as redis:
        yield redis


@pytest.fixture(scope="module")
def redis_url(request: pytest.FixtureRequest) -> str:
    """The URL of a Redis that lives: that of REDIS_URL, else of one of our own."""
    url: str = os.environ.get("REDIS_URL") or request.getfixturevalue("redis").url
    return url
