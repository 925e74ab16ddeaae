"""Where the measuring is done: one kind of server, the exhibits on it, and the client."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter

import psutil
from django.conf import settings

from sandbox.bench.client import Connection, connect, disconnect
from sandbox.bench.cores import starting_a_broker, starting_a_server
from sandbox.bench.exhibits import APPLICATION, BARE_CLIENT, Exhibit
from sandbox.bench.load import Sample, by_turns, closed_loop, first_reply, request
from sandbox.bench.plan import SMALL
from sandbox.compare import brokers
from sandbox.compare.brokers import PROTOCOL_SERVER
from sandbox.processes.environments import Environment, column
from sandbox.processes.migration import migrate
from sandbox.processes.mosquitto import Mosquitto
from sandbox.processes.redis import Redis, find_server
from sandbox.processes.servers import Server, serve

IDLE_SHARE = 0.05
"""Of a core: a server that uses no more is idle."""
IDLE_SECONDS = 60.0
"""The longest to wait for that."""


class UnmeasurableError(Exception):
    """Something that cannot be measured; the message says why."""


@dataclass
class Testbed:
    """One kind of server, running once for each application that is measured."""

    server: str
    exhibits: list[Exhibit]
    running: Mapping[str, Server]
    """By application."""
    ceilings: Mapping[str, float] = field(default_factory=dict)
    """Round trips a second that the client itself can do at most, by scheme."""
    lasting: ExitStack = field(default_factory=ExitStack)
    """What an experiment starts for several steps. Closed when all have been taken."""
    venv: Environment | None = None
    """Where the servers run, unless here."""

    @property
    def column(self) -> str:
        """The name under which its figures are shown."""
        return column(self.server, self.venv.requirements if self.venv else "")

    def url(self, exhibit: Exhibit) -> str:
        port = self.running[exhibit.application].port
        return f"{exhibit.scheme}://127.0.0.1:{port}{exhibit.path}"

    def process(self, exhibit: Exhibit) -> psutil.Process:
        return psutil.Process(self.running[exhibit.application].process.pid)

    def baseline(self, exhibit: Exhibit) -> Exhibit:
        for one in self.exhibits:
            if one.is_baseline and one.scheme == exhibit.scheme:
                return one
        raise UnmeasurableError("there is no baseline to measure it against")

    @asynccontextmanager
    async def connections(self, exhibit: Exhibit, count: int) -> AsyncIterator[list[Connection]]:
        connections, refused = await connect(self.url(exhibit), count)
        try:
            if refused:
                raise UnmeasurableError(f"{refused} of {count} connections were refused.")
            # A connection is there for the client before the server has taken it.
            await asyncio.gather(*(first_reply(one, request(SMALL)) for one in connections))
            yield connections
        finally:
            await disconnect(connections)

    async def saturate(
        self, exhibit: Exhibit, connections: int, payload: bytes, seconds: float
    ) -> Sample:
        """Give an exhibit all it can take for a turn."""
        (sample,) = await self.side_by_side([exhibit], connections, payload, seconds, slices=1)
        return sample

    async def side_by_side(
        self,
        exhibits: Sequence[Exhibit],
        connections: int,
        payload: bytes,
        seconds: float,
        *,
        slices: int,
    ) -> list[Sample]:
        """Give each all it can take, in slices by turns."""
        async with AsyncExitStack() as stack:
            loads = []
            for exhibit in exhibits:
                own = await stack.enter_async_context(self.connections(exhibit, connections))
                echo = await first_reply(own[0], payload)
                meter = partial(processor_seconds, self.process(exhibit))
                loads.append(
                    partial(closed_loop, own, payload, echo, seconds / slices, meter=meter)
                )
            return await by_turns(loads, slices)


def processor_seconds(process: psutil.Process) -> float:
    """Of a server and its workers."""
    return sum(map(_processor_seconds, (process, *process.children(recursive=True))))


def _processor_seconds(process: psutil.Process) -> float:
    if sys.platform == "linux":
        # The clock of another process, as clock_getcpuclockid() names it: it counts nanoseconds.
        return time.clock_gettime(~process.pid << 3 | 2)
    times = process.cpu_times()  # in steps of 10 ms
    return times.user + times.system


async def idle(process: psutil.Process) -> None:
    """Wait until a server has dealt with what it was given, and all its workers have started."""
    give_up = perf_counter() + IDLE_SECONDS
    is_idle = False
    while not is_idle and perf_counter() < give_up:
        before, since = processor_seconds(process), perf_counter()
        await asyncio.sleep(0.3)
        used = processor_seconds(process) - before
        is_idle = used <= IDLE_SHARE * (perf_counter() - since)


@contextmanager
def started(  # noqa: PLR0913 # all but the server have a default
    server: str,
    application: str = APPLICATION,
    environment: Mapping[str, str] | None = None,
    *,
    port: int | None = None,
    processes: int = 1,
    migrated: bool = False,
    venv: Environment | None = None,
    starting: Callable[[], AbstractContextManager[None]] = starting_a_server,
) -> Iterator[Server]:
    """Start a server on its core, if need be with tables in its database. Raises ServerError."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        everything = {
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": f"sqlite:///{Path(folder) / 'db.sqlite3'}",
            "DEBUG": "1",  # the stock edition is mounted
            "LOG_LEVEL": "WARNING",
            "MAX_DELAY": "1.0",
            "MAX_MESSAGE_BYTES": "65536",
            "REDIS_URL": "",
            **(environment or {}),
        }
        if migrated:
            migrate(everything["DATABASE_URL"], venv=venv)
        if server in brokers.NAMES:
            program = ("-m", application) if application == BARE_CLIENT else PROTOCOL_SERVER
            with starting_a_broker():
                broker = stack.enter_context(Mosquitto())
            with starting():
                running = stack.enter_context(brokers.answering(broker, everything, venv, program))
            yield running
            return
        with starting():
            running = stack.enter_context(
                serve(
                    server,
                    application=application,
                    environment=everything,
                    port=port,
                    venv=venv,
                    processes=processes,
                )
            )
        yield running


@contextmanager
def redis() -> Iterator[str | None]:
    """Give the URL of a Redis: that of REDIS_URL, else of one of our own, if there is a program."""
    if settings.REDIS_URL or not find_server():
        yield settings.REDIS_URL or None
        return
    with ExitStack() as stack:
        with starting_a_server():
            own = stack.enter_context(Redis())
        yield own.url
