"""A whole run: the servers one after another, every exhibit on each."""

import asyncio
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from consumers.catalogue import DEVICES
from sandbox.compare import brokers
from sandbox.compare.engine import CELL_SECONDS, Cell, Question, Target, compare, flag_mismatches
from sandbox.compare.probe import HI_BACK
from sandbox.compare.probes import SETTINGS
from sandbox.compare.report import Report
from sandbox.mqtt.url import read_url
from sandbox.processes.environments import Environment
from sandbox.processes.migration import migrate
from sandbox.processes.servers import ARGUMENTS, serve
from sandbox.wire import TIMEOUT, ClosedError, http


class UnreachableError(Exception):
    """Nothing answers at a URL; the message says which and why."""


@contextmanager
def started(server: str, venv: Environment | None = None) -> Iterator[Target]:
    """Start a server, here or in ``venv``, with what the probes need: settings and a database.

    For the topics of devices the server is a broker. Raises ServerError.
    """
    with tempfile.TemporaryDirectory() as folder:
        variables = {
            **SETTINGS,
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "DATABASE_URL": f"sqlite:///{Path(folder) / 'db.sqlite3'}",
            "DEBUG": "1",  # the stock edition is mounted
            "LOG_LEVEL": "INFO",  # disconnects are logged
        }
        migrate(variables["DATABASE_URL"], venv=venv)
        serving = (
            brokers.serving(variables, venv)
            if server in brokers.NAMES
            else serve(server, environment=variables, venv=venv)
        )
        with serving as running:
            yield Target(
                server,
                running.version,
                running.url,
                running.log,
                running.venv.requirements,
                running.venv.versions,
            )


@contextmanager
def deployed(url: str, server: str | None = None) -> Iterator[Target]:
    """Look at a deployment that is running already. Raises UnreachableError."""
    if brokers.has_url(url):
        yield _behind_broker(url)
        return
    url = re.sub("^ws", "http", url).rstrip("/")
    if not _is_site(url):
        shown = re.sub("//.*@", "//…@", url)  # a password is not for a log
        raise UnreachableError(f"{shown!r} is not a URL: give one such as http://127.0.0.1:8000.")
    try:
        response = asyncio.run(http("GET", f"{url}/"))
        if path := urlsplit(url).path:
            _check_prefix(url, path)
    except (OSError, ClosedError) as error:
        cause = str(error) or f"nothing within {TIMEOUT:g} s"
        raise UnreachableError(f"{url} does not answer: {cause}.") from error
    header = (response.header("server") or "").lower()
    if server is None:
        server = next((name for name in ARGUMENTS if header.startswith(name)), "daphne")
    yield Target(server, f"at {url}", url)


def _is_site(url: str) -> bool:
    """Whether it is a URL with a host, and perhaps a port and a path, and nothing else."""
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return port != 0 and bool(re.fullmatch(r"https?://[^/?#@\s]+(/[^?#@\s]*)?", url))


def _behind_broker(url: str) -> Target:
    """See that devices are answered through a broker. Raises UnreachableError."""
    try:
        broker = read_url(url).address
    except ValueError as error:
        raise UnreachableError(f"This is no URL of a broker: {error}.") from error
    try:
        is_answered = any(asyncio.run(brokers.is_answered(one, url)) for one in DEVICES)
    except OSError as error:
        cause = str(error) or f"nothing within {TIMEOUT:g} s"
        raise UnreachableError(f"The broker at {broker} does not answer: {cause}.") from error
    if not is_answered:
        topics = ", ".join(one.topic for one in DEVICES)
        raise UnreachableError(
            f"The broker at {broker} is there, and no answer comes to {topics}: start manage.py "
            "mqtt with the same broker in MQTT_URL."
        )
    return Target(brokers.NAMES[0], f"at {broker}", url)


def _check_prefix(url: str, path: str) -> None:
    """See that a path in a URL is the prefix of this project. Raises UnreachableError, OSError."""
    if asyncio.run(http("GET", f"{url}/echo/async-http/?message=hi")).body != HI_BACK.text.encode():
        raise UnreachableError(
            f"{url} has the path {path}, and none of this project's consumers is under it. For a "
            "consumer of your own there is manage.py checkup."
        )


def run(
    sources: Iterable[AbstractContextManager[Target]],
    questions: Sequence[Question],
    *,
    cell_seconds: float = CELL_SECONDS,
    progress: Callable[[Cell], None] = lambda _: None,
) -> Report:
    """Put the questions to each server, one server at a time."""
    now, began = datetime.now(UTC), time.monotonic()
    cells: list[Cell] = []
    targets: list[Target] = []
    for source in sources:
        with source as target:
            targets.append(target)
            cells += asyncio.run(
                compare(target, questions, cell_seconds=cell_seconds, progress=progress)
            )
    return Report(
        now.isoformat(timespec="seconds"),
        time.monotonic() - began,
        tuple(targets),
        tuple(dict.fromkeys(exhibit for exhibit, _ in questions)),
        tuple(flag_mismatches(cells)),
    )
