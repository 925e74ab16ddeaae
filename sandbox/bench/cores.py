"""Keeping the server and the client out of each other's way."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""Those that this process had at its start; none where the system does not name them."""
ARE_APART = len(CORES) > 1
SERVER_CORE, CLIENT_CORE = (CORES[0], CORES[-1]) if ARE_APART else (None, None)
SERVER_CORES = CORES[:-1] if ARE_APART else CORES
"""Those that several processes of a server share."""

SPARE_FILES = 200
"""Open files of a process that are no connections."""


@contextmanager
def starting_a_server() -> Iterator[None]:
    """Have what is started in this block run on the server's core, and this process on its own.

    A process inherits its parent's core, with all threads that it will ever start. Pinning it
    afterwards would miss the threads that it has by then.
    """
    _pin(SERVER_CORE)
    try:
        yield
    finally:
        _pin(CLIENT_CORE)


@contextmanager
def starting_a_broker() -> Iterator[None]:
    """Have what is started in this block share the core of this process.

    What answers through the broker is measured, and so has the other core for itself.
    """
    _pin(CLIENT_CORE)
    yield


@contextmanager
def starting_several_processes() -> Iterator[None]:
    """Have what is started in this block share all cores but that of this process."""
    if ARE_APART:
        os.sched_setaffinity(0, SERVER_CORES)
    try:
        yield
    finally:
        _pin(CLIENT_CORE)


@contextmanager
def starting_on_all_cores() -> Iterator[None]:
    """Have what is started in this block run on any core, where its speed is not measured."""
    unpin()
    try:
        yield
    finally:
        _pin(CLIENT_CORE)


def _pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


def unpin() -> None:
    if ARE_APART:
        os.sched_setaffinity(0, CORES)


def where(*, with_broker: bool = False) -> str:
    if ARE_APART:
        client = "client and broker" if with_broker else "client"
        return f"server on core {SERVER_CORE}, {client} on core {CLIENT_CORE}"
    return "server and client on whatever core the system gave them"


def connections_at_most() -> int:
    """Raise the limit of open files as far as it goes, for servers to come as well."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = 100_000 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit - SPARE_FILES
