"""The databases that are measured, and how many connections a server holds to one of them."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from sandbox.bench.cores import starting_a_server
from sandbox.processes.migration import migrate
from sandbox.processes.postgresql import OTHER_CLIENTS, find_postgresql, postgresql
from sandbox.processes.servers import ServerError

MAX_CONNECTIONS = 60
"""That PostgreSQL accepts: more than there are threads, fewer than there are sockets."""

Count = Callable[[], Awaitable[int]]
"""How many connections are open now."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database that has its tables."""

    url: str
    counting: Callable[[psutil.Process], AbstractAsyncContextManager[Count]]
    """Given the server that connects to it."""


@contextmanager
def sqlite_database() -> Iterator[Database]:
    """Make one in a file. Raises ServerError."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'db.sqlite3'}"
        migrate(url)
        yield Database(url, counting_files)


@asynccontextmanager
async def counting_files(server: psutil.Process) -> AsyncIterator[Count]:
    """Count open files: each connection has the write-ahead log open once.

    It may keep the database itself open for longer than it lives, if others have locked it.
    """

    async def count() -> int:
        processes = (server, *server.children(recursive=True))
        files = (file.path for process in processes for file in process.open_files())
        return sum(path.endswith("db.sqlite3-wal") for path in files)

    yield count


def missing_for_postgresql() -> str:
    """Say what is missing here that PostgreSQL needs, in the words of a warning."""
    if not find_postgresql():
        return "there is no PostgreSQL on PATH"
    if not (find_spec("psycopg") and find_spec("psycopg_pool")):
        return "psycopg is not installed: pip install -e '.[postgres]' brings it"
    return ""


@contextmanager
def postgresql_database() -> Iterator[Database]:
    """Run a new PostgreSQL on the core of the servers. Raises ServerError."""
    with ExitStack() as stack:
        try:
            with starting_a_server():
                url = stack.enter_context(postgresql(MAX_CONNECTIONS))
        except TimeoutError as error:
            raise ServerError(str(error)) from error
        migrate(url)
        yield Database(url, lambda _server: counting_clients(url))


@asynccontextmanager
async def counting_clients(url: str) -> AsyncIterator[Count]:
    """Ask PostgreSQL how many clients it has, other than the one that asks."""
    import psycopg  # noqa: PLC0415 # an extra brings it

    async def count() -> int:
        found = await (await connection.execute(OTHER_CLIENTS)).fetchone()
        return found[0] if found else 0

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield count
