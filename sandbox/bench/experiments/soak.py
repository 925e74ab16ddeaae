"""``soak``: traffic of every kind for as long as asked, and what grows or goes wrong."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import combinations
from random import Random
from statistics import mean, median
from time import monotonic
from typing import ClassVar

import psutil
from django.utils.crypto import get_random_string
from msgspec import Struct

from sandbox.bench.exhibits import Exhibit
from sandbox.bench.experiment import Experiment, Row, Step
from sandbox.bench.output.charts import Line, Lines
from sandbox.bench.output.table import Table, TableRow
from sandbox.bench.plan import Plan
from sandbox.bench.testbed import started
from sandbox.bench.traffic import KINDS, Client
from sandbox.processes.migration import migrate
from sandbox.processes.server_log import ServerLog, is_ours
from sandbox.processes.servers import Server
from sandbox.wire import websocket

ALL = "traffic of every kind"
CLIENTS = 16
"""At once, each of its own kind."""
TUNED = "/tuned/websocket/"
PERIODS = 30
"""Of a run. Each ends with a rest: no client is connected, and what is left can be compared."""
SHORTEST_PERIOD = 4.0
MOMENTS = 200
"""How many times resources are looked at, at most."""
REST_SECONDS = 20.0
"""The longest that a server may take to end all consumers after the last client has left."""
PEAKS = 5
"""How often all clients at once read nothing, before anything is compared."""
SYNC_THREADS = 32
"""Of the server's pool: all are at work once, before anything is compared."""

WARM_UP_SECONDS = 600.0
"""What comes before is not compared; in a short run it is the first third."""
LONG_SECONDS = 1800.0
"""From here on what remains of a run is long enough for a slope."""
PER_HOUR = 0.01
"""How much of the resident size a long run may grow in an hour."""
SHORT_SHARE = 0.25
"""How much of it a short run may grow altogether: the allocator has not seen all sizes yet."""
SPARE = 4
"""Threads, and descriptors, that pools of the server may still add after the warm-up."""
EXAMPLES_SHOWN = 5


class Moment(Struct, frozen=True):
    """What the server's processes held at one time."""

    second: float
    memory_mib: float
    """Resident."""
    threads: int
    descriptors: int
    """Without those of the database: each of the server's threads may hold some."""
    wrong: int
    """Wrong answers so far."""
    at_rest: bool
    """Whether no client was connected."""


class Tried(Struct, frozen=True):
    """One kind of traffic."""

    kind: str
    tried: int
    wrong: int


class SoakRow(Row, frozen=True, kw_only=True):
    """``soak``: a run of all kinds of traffic on one server."""

    seconds: float
    connects: int
    """That consumers logged."""
    unpaired: int
    """Connects without a disconnect when all clients had left, and the reverse."""
    tracebacks: int
    """In the server's log, whose ever they are."""
    memory_growth: float
    """By how much of itself the resident size grew at rest, from the end of the warm-up."""
    tried: list[Tried]
    moments: list[Moment]
    faults: list[str]
    """What grew or was wrong; empty is good."""


class Soak(Experiment[SoakRow]):
    """Periods of traffic, each followed by a rest."""

    by_default: ClassVar[bool] = False
    row = SoakRow
    turns: dict[str, list[SoakRow]]

    @classmethod
    def usual(cls, plan: Plan) -> list[Exhibit]:  # noqa: ARG003 # clients choose
        return []

    def steps(self) -> Iterator[Step]:
        seconds = self.plan.minutes * 60
        yield Step(f"soak: {seconds / 60:g} min of {ALL}", ALL, seconds, self.turn)

    async def turn(self) -> None:
        environment = {
            "LOG_LEVEL": "INFO",
            # While debugging, Django keeps the queries of each connection.
            "DEBUG": "0",
            # As docs/deploying.md advises: glibc keeps free memory for many threads apart.
            "MALLOC_ARENA_MAX": "2",
            "SECRET_KEY": get_random_string(50),
        }
        with tempfile.TemporaryDirectory() as folder:
            environment["DATABASE_URL"] = f"sqlite:///{folder}/db.sqlite3"
            migrate(environment["DATABASE_URL"], venv=self.testbed.venv)
            with (
                started(
                    self.testbed.server, environment=environment, venv=self.testbed.venv
                ) as server,
                closing(ServerLog(server.log_file)) as log,
            ):
                run = Run(server, log, self.plan.minutes * 60, folder)
                try:
                    await run.all()
                finally:  # what an interrupted run has seen is reported too
                    self.turns[ALL].append(run.row())

    def rows(self) -> list[SoakRow]:
        return [row for rows in self.turns.values() for row in rows]

    @classmethod
    def failures(cls, rows: Sequence[SoakRow]) -> Iterator[str]:
        return (f"soak on {row.server}: {fault}" for row in rows for fault in row.faults)

    @staticmethod
    def title(row: SoakRow) -> str:
        return f"{row.seconds / 60:.0f} min of {ALL} on {row.server}"

    @classmethod
    def tables(cls, rows: Sequence[SoakRow]) -> Iterator[Table]:
        for row in rows:
            kinds = [TableRow(one.kind, one.wrong, [f"{one.tried:,}"]) for one in row.tried]
            yield Table(cls.title(row), ["clients"], kinds)
            rests = [moment for moment in row.moments if moment.at_rest]
            yield Table(
                f"what {row.server} held at rest; {row.unpaired} of {row.connects:,} connections "
                f"without their end or beginning in the log; {row.tracebacks} tracebacks",
                ["memory MiB", "threads", "descriptors"],
                [
                    TableRow(
                        name, 0, [f"{one.memory_mib:.1f}", f"{one.threads}", f"{one.descriptors}"]
                    )
                    for name, one in (("first", rests[0]), ("last", rests[-1]))
                ]
                if rests
                else [],
            )

    @classmethod
    def charts(cls, rows: Sequence[SoakRow]) -> Iterator[Lines]:
        for row in rows:
            at = [moment.second / 60 for moment in row.moments]
            yield Lines(
                f"Soak: {row.seconds / 60:.0f} min, {sum(one.tried for one in row.tried):,} "
                f"clients, {row.errors} wrong answers",
                "What the server's processes hold while clients of every kind connect and leave. "
                "At each dot no client is connected: a rise from dot to dot is a leak.",
                [
                    Line(title, unit, at, values, [moment.at_rest for moment in row.moments])
                    for title, unit, values in (
                        ("resident memory", "MiB", [one.memory_mib for one in row.moments]),
                        ("threads", "", [float(one.threads) for one in row.moments]),
                        ("descriptors", "", [float(one.descriptors) for one in row.moments]),
                        ("wrong answers", "", [float(one.wrong) for one in row.moments]),
                    )
                ],
            )


class Run:
    """One server under traffic."""

    def __init__(self, server: Server, log: ServerLog, seconds: float, database: str) -> None:
        self.server, self.log, self.seconds, self.database = server, log, seconds, database
        self.period = max(seconds / PERIODS, min(SHORTEST_PERIOD, seconds))
        self.process = psutil.Process(server.process.pid)
        self.began = monotonic()
        self.moments: list[Moment] = []
        self.tried: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.what: Counter[str] = Counter()
        """What was wrong, in words."""

    async def all(self) -> None:
        clients = [Client(self.server.url, f"soak-{n}", Random(n)) for n in range(CLIENTS)]  # noqa: S311 # the same traffic each time
        await self.fill_threads()
        await self.fill_memory(clients)
        self.began = monotonic()  # a busy machine may take longer for that than a short run lasts
        while self.is_alive and (left := self.seconds - self.elapsed) > 0:
            until = monotonic() + min(self.period, left)
            watching = asyncio.create_task(self.watch())
            await asyncio.gather(*(self.play(client, until) for client in clients))
            watching.cancel()
            await self.rest()

    async def play(self, client: Client, until: float) -> None:
        while monotonic() < until:
            kind = client.random.choice(list(KINDS))
            self.tried[kind] += 1
            try:
                await KINDS[kind](client)
            except Exception as error:  # noqa: BLE001 # whatever it is, a good client was not served
                self.wrong[kind] += 1
                self.what[f"{kind}: {type(error).__name__}: {error}"] += 1
                await asyncio.sleep(1)  # a server that is gone refuses thousands in a second
            await asyncio.sleep(0)

    async def fill_threads(self) -> None:
        """Have the server start all threads that it will ever need for synchronous code.

        They are those of the pool, and those of `tuned`: one for each client whose handler waits.
        """

        async def wait(number: int) -> None:
            client = Client(self.server.url, f"soak-{number}", Random(number))  # noqa: S311 # no secret
            async with asyncio.timeout(REST_SECONDS):
                await KINDS["bad requests"](client)

        async def block() -> None:
            async with asyncio.timeout(REST_SECONDS), websocket(self.server.url + TUNED) as one:
                await one.send('{"message":1,"delay":1}')
                await one.receive()

        with suppress(Exception):  # the run itself will say what is wrong
            await asyncio.gather(*(wait(number) for number in range(2 * SYNC_THREADS)))
            await asyncio.gather(*(block() for _ in range(CLIENTS)))

    async def fill_memory(self, clients: Sequence[Client]) -> None:
        """Have the server hold what none reads, for all clients at once and more than once.

        An allocator keeps what it once had. Without this, the largest of many chance moments grows
        for half an hour, and looks like a leak.
        """
        for _ in range(PEAKS):
            playing = (KINDS["never reading"](client) for client in clients)
            await asyncio.gather(*playing, return_exceptions=True)

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(max(self.seconds / MOMENTS, 0.5))
            self.look(at_rest=False)

    async def rest(self) -> None:
        deadline = monotonic() + REST_SECONDS
        while self.log.unpaired() and monotonic() < deadline:  # noqa: ASYNC110 # the log is a file
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)  # what follows a disconnect
        self.look(at_rest=True)

    def look(self, *, at_rest: bool) -> None:
        with suppress(psutil.NoSuchProcess):
            processes = (self.process, *self.process.children(recursive=True))
            self.moments.append(
                Moment(
                    self.elapsed,
                    sum(one.memory_info().rss for one in processes) / 1024**2,
                    sum(one.num_threads() for one in processes),
                    sum(self.descriptors(one) for one in processes),
                    self.wrong.total(),
                    at_rest,
                )
            )

    def descriptors(self, process: psutil.Process) -> int:
        files = process.open_files()
        return process.num_fds() - sum(one.path.startswith(self.database) for one in files)

    @property
    def elapsed(self) -> float:
        return monotonic() - self.began

    @property
    def is_alive(self) -> bool:
        return self.server.process.poll() is None

    def row(self) -> SoakRow:
        unpaired = self.log.unpaired()
        rests = [moment for moment in self.moments if moment.at_rest]
        return SoakRow(
            server=self.server.column,
            exhibit=ALL,
            errors=self.wrong.total(),
            seconds=self.elapsed,
            connects=self.log.connects,
            unpaired=sum(abs(count) for count in unpaired.values()),
            tracebacks=len(self.log.tracebacks),
            memory_growth=memory_growth(warmed_up(rests)),
            tried=[Tried(kind, self.tried[kind], self.wrong[kind]) for kind in KINDS],
            moments=self.moments,
            faults=[*self.faults(unpaired), *grown(rests)],
        )

    def faults(self, unpaired: Mapping[str, int]) -> Iterator[str]:
        if not self.is_alive:
            yield "the server has ended."
        for what, count in self.what.most_common(EXAMPLES_SHOWN):
            yield f"{what} ({count} times)"
        if unpaired:
            some = ", ".join(f"{one} ({n:+d})" for one, n in [*unpaired.items()][:EXAMPLES_SHOWN])
            yield f"{len(unpaired)} connections have no end (+) or no beginning (-): {some}."
        ours = [one for one in self.log.tracebacks if is_ours(one)]
        if ours:
            yield f"{len(ours)} tracebacks end in this project's own code, such as:\n{ours[0]}"


def warmed_up(rests: Sequence[Moment]) -> list[Moment]:
    """Leave out the rests of the warm-up."""
    if not rests:
        return []
    after = min(WARM_UP_SECONDS, rests[-1].second / 3)
    return [moment for moment in rests if moment.second >= after]


def memory_growth(rests: Sequence[Moment]) -> float:
    """By how much of itself memory grew from the first to the last.

    It is the median of the slopes of all pairs (Theil and Sen): no single rest can decide it.
    """
    pairs = list(combinations(rests, 2))
    if not pairs:
        return 0.0
    slope = median((b.memory_mib - a.memory_mib) / (b.second - a.second) for a, b in pairs)
    return slope * (rests[-1].second - rests[0].second) / mean(one.memory_mib for one in rests)


def grown(rests: Sequence[Moment]) -> Iterator[str]:
    """Say what was larger at each later rest than at all earlier ones, and by how much."""
    compared = warmed_up(rests)
    half = len(compared) // 2
    if not half:
        yield "the run was too short to compare anything."
        return
    seconds = compared[-1].second - compared[0].second
    allowed = PER_HOUR * seconds / 3600 if seconds >= LONG_SECONDS else SHORT_SHARE
    if (growth := memory_growth(compared)) > allowed:
        yield (
            f"resident memory grew by {growth:.1%} in {seconds / 60:.0f} min at rest, where "
            f"{allowed:.1%} is allowed."
        )
    for name in ("threads", "descriptors"):
        early = max(getattr(one, name) for one in compared[:half])
        late = min(getattr(one, name) for one in compared[half:])
        if late > early + SPARE:
            yield f"{name} grew at rest: at most {early} in the first half, then at least {late}."
