"""What all tests share: Hypothesis profiles and a real server."""

import logging
import os
import signal
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from pytest_django import DjangoDbBlocker

from sandbox.processes.mosquitto import NO_PROGRAM as NO_MOSQUITTO
from sandbox.processes.mosquitto import Mosquitto, find_mosquitto
from sandbox.processes.redis import NO_PROGRAM, Redis, find_server
from sandbox.processes.servers import Server, serve
from tests.support.harness import examples_tried
from tests.support.missing import skip_outside_ci

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


LOG_SHOWN = 20_000
"""Characters of a server's log."""


def says_what_it_shows(item: pytest.Item) -> bool:
    """Whether a test has a docstring of one sentence."""
    function = getattr(item, "function", None)
    if getattr(function, "is_hypothesis_test", False) and item.name == "runTest":
        return True  # a state machine: its class has the sentence
    sentence = " ".join((getattr(function, "__doc__", None) or "").split())
    return sentence.endswith(".") and ". " not in sentence


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Check that each test has its sentence, and give properties more time."""
    if unsaid := [item.nodeid for item in items if not says_what_it_shows(item)]:
        raise pytest.UsageError(
            "A test says in a docstring of one sentence what it shows: " + ", ".join(unsaid)
        )
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.timeout(120 + settings().max_examples // 4))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers of a failed test have printed last."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Server):
                report.sections.append((f"log of {name}", value.log()[-LOG_SHOWN:]))
    return report


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
def _database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:  # noqa: ARG001 # it has made the test database
    """Let Channels look after database connections: it does so before each message.

    The test database is made first: a thread keeps the name of the one that it once connected to.
    """
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
    if find_server() is None:
        skip_outside_ci(NO_PROGRAM)
    with Redis() as redis:
        yield redis


@pytest.fixture(scope="session")
def mosquitto_program() -> None:
    """Let tests be skipped where there is no Mosquitto."""
    if find_mosquitto() is None:
        skip_outside_ci(NO_MOSQUITTO)


@pytest.fixture(scope="module")
def mosquitto(mosquitto_program: None) -> Iterator[Mosquitto]:  # noqa: ARG001 # it skips
    """A Mosquitto that lets everybody in."""
    with Mosquitto() as mosquitto:
        yield mosquitto


@pytest.fixture(scope="module")
def redis_url(request: pytest.FixtureRequest) -> str:
    """The URL of a Redis that lives: that of REDIS_URL, else of one of our own."""
    url: str = os.environ.get("REDIS_URL") or request.getfixturevalue("redis").url
    return url
