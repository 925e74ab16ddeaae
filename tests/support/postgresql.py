"""A PostgreSQL of the tests, and what can happen to one."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from subprocess import Popen
from typing import Any

import psutil

from sandbox.processes.postgresql import OTHER_CLIENTS, Cluster, cluster, find_postgresql
from tests.support.missing import skip_outside_ci


@contextmanager
def new_cluster(max_connections: int = 100) -> Iterator[Cluster]:
    """A PostgreSQL that a test can start and stop. Without one it is skipped; in CI it fails."""
    if find_postgresql() is None:
        skip_outside_ci("There is no PostgreSQL on PATH.")
    if find_spec("psycopg") is None:
        skip_outside_ci("psycopg is not installed: pip install -e '.[postgres]' brings it.")
    with cluster(max_connections) as made:
        yield made


def held(url: str) -> int:
    """Count the connections that others hold to a database."""
    from psycopg import connect  # noqa: PLC0415 # an extra brings it

    with connect(url) as connection:
        row = connection.execute(OTHER_CLIENTS).fetchone()
    assert row
    return int(row[0])


@contextmanager
def all_connections_taken(url: str) -> Iterator[None]:
    """Let a server have no connection left, until the block ends."""
    from psycopg import OperationalError, connect  # noqa: PLC0415 # an extra brings it

    with ExitStack() as stack:
        try:
            while True:
                stack.enter_context(connect(url))
        except OperationalError:
            pass
        yield


@contextmanager
def frozen(process: "Popen[Any]") -> Iterator[None]:
    """Stop a server without a word, with the processes of its connections, until the block ends."""
    stopped = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]
    for one in stopped:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in stopped:
            with suppress(psutil.NoSuchProcess):  # its connection has ended
                one.send_signal(signal.SIGCONT)
