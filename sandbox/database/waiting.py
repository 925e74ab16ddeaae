"""A bound on how long a server waits for PostgreSQL."""

from collections.abc import Generator
from functools import partial
from time import monotonic
from typing import Any

ANSWER_SECONDS = 5.0


def limit_waiting(connection: Any, **_: Any) -> None:
    """Let a new connection give up a query after ANSWER_SECONDS, with OperationalError.

    A receiver of ``connection_created``. A database that has stopped without a word keeps a thread
    for ever: libpq has a timeout for connecting, but none for the answer to a query.
    """
    if connection.vendor == "postgresql" and hasattr(connection.connection, "wait"):
        connection.connection.wait = partial(_wait, connection.connection)


def _wait(connection: Any, query: Generator[int, int, Any], *args: Any, **kwargs: Any) -> Any:
    return type(connection).wait(connection, _limited(query), *args, **kwargs)


def _limited(query: Generator[int, int, Any]) -> Generator[int, int, Any]:
    """Pass on what psycopg and the query say to each other, until it takes too long."""
    from psycopg import OperationalError  # noqa: PLC0415 # an extra brings it

    deadline = monotonic() + ANSWER_SECONDS
    try:
        state = next(query)
        while True:
            ready = yield state
            if not ready and monotonic() > deadline:
                raise OperationalError(f"no answer for {ANSWER_SECONDS:g} s")
            state = query.send(ready)
    except StopIteration as end:
        return end.value
