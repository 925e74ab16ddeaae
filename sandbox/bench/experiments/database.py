"""``database``: what each way to reach the ORM costs, and how many connections it holds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from time import perf_counter
from typing import ClassVar

import psutil

from sandbox.bench.client import Connection, connect, disconnect
from sandbox.bench.databases import (
    Count,
    Database,
    missing_for_postgresql,
    postgresql_database,
    sqlite_database,
)
from sandbox.bench.exhibits import Exhibit
from sandbox.bench.experiment import Experiment, Row, Step, latency_of
from sandbox.bench.load import (
    TIMER_SECONDS,
    Sample,
    closed_loop,
    first_reply,
    join,
    open_loop,
    open_loop_during,
    request,
)
from sandbox.bench.output.charts import Bar, Bars
from sandbox.bench.output.table import Column, latency_columns, many, milliseconds
from sandbox.bench.plan import SMALL, Plan
from sandbox.bench.spread import Latency, Spread, spread
from sandbox.bench.testbed import Testbed, UnmeasurableError, started

APPLICATION = "sandbox.bench.database_application:application"
WAYS = (
    "stock/sync",
    "thread-each/sync",
    "pool/sync",
    "stock/wrapped",
    "pool/wrapped",
    "stock/async-orm",
    "pool/async-orm",
)
"""The isolation, then how the ORM is reached: the paths of the application."""
LOOK_SECONDS = 0.1
WAKING_SECONDS = 0.1
REST_SECONDS = 5.0
"""The longest to wait until connections to the database are closed."""


class DatabaseRow(Row, frozen=True, kw_only=True):
    """``database``: consumers that ask the database once for each message."""

    database: str
    setting: str
    sockets: int
    asleep: float
    """Seconds that each query takes by itself."""
    is_idle: bool
    """Whether nothing is sent."""
    per_second: Spread
    latency: Latency
    neighbour: Latency
    """Of a consumer in the same process that asks no database."""
    threads: int
    """Of the server, under load."""
    most_open: int
    """Connections to the database, seen under load."""
    held: int
    """Connections to the database, at rest, while the sockets are open."""
    refused: int
    """Sockets that were refused, or lost before they had a reply."""


@dataclass(frozen=True, slots=True)
class Setting:
    database: str
    max_age: int | None
    """CONN_MAX_AGE in seconds; None for psycopg's pool."""

    @property
    def name(self) -> str:
        return "psycopg's pool" if self.max_age is None else f"CONN_MAX_AGE={self.max_age}"

    def environment(self, database: Database) -> dict[str, str]:
        option = "pool=true" if self.max_age is None else f"conn_max_age={self.max_age}"
        return {"DATABASE_URL": f"{database.url}?{option}"}


@dataclass(frozen=True, slots=True, order=True)
class Load:
    sockets: int
    asleep: float = 0.0
    is_idle: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    sample: Sample
    neighbour: Sample
    threads: int
    most_open: int
    held: int
    refused: int


class DatabaseWays(Experiment[DatabaseRow]):
    """Each way has a server of its own, for threads and connections outlive their sockets."""

    by_default = False
    row = DatabaseRow
    turns: dict[tuple[Setting, Load, str], list[Turn]]
    columns = (
        Column(
            "replies a second", lambda row: "-" if row.is_idle else f"{row.per_second.median:,.0f}"
        ),
        *latency_columns("p99"),
        Column("neighbour ms", lambda row: milliseconds(row.neighbour, "p99")),
        Column("threads", lambda row: f"{row.threads:,}"),
        Column("open at most", lambda row: f"{row.most_open:,}"),
        Column("held at rest", lambda row: f"{row.held:,}"),
        Column("refused", lambda row: f"{row.refused:,}" if row.refused else "-"),
    )

    DATABASES: ClassVar[dict[str, Callable[[], AbstractContextManager[Database]]]] = {
        "SQLite": sqlite_database,
        "PostgreSQL": postgresql_database,
    }
    SETTINGS: ClassVar[tuple[Setting, ...]] = (
        Setting("SQLite", 0),
        Setting("SQLite", 600),
        Setting("PostgreSQL", 0),
        Setting("PostgreSQL", 600),
        Setting("PostgreSQL", None),
    )
    ROUNDS: ClassVar[int] = 2
    FEW: ClassVar[int] = 100
    """More sockets have one round: all of them take long to have a reply each."""
    SLEEPERS: ClassVar[int] = 10
    IDLE: ClassVar[int] = 1000
    NEIGHBOUR_PER_SECOND: ClassVar[int] = 100

    def __init__(self, testbed: Testbed, plan: Plan) -> None:
        super().__init__(testbed, plan)
        self.databases: dict[str, Database] = {}

    @classmethod
    def usual(cls, plan: Plan) -> list[Exhibit]:  # noqa: ARG003 # it has ways of its own
        return []

    def settings(self) -> list[Setting]:
        """Choose those that can be measured here; for a quick look the one that decides most."""
        found = [
            one
            for one in self.SETTINGS
            if one.database != "PostgreSQL" or not missing_for_postgresql()
        ]
        return found if self.plan.every_setting else [one for one in found if one.max_age][-1:]

    def loads(self, setting: Setting, way: str) -> list[Load]:
        """List what a way has to bear, one after another, the most sockets last."""
        rounds = min(self.plan.rounds, self.ROUNDS)
        loads = [
            Load(count)
            for count in self.plan.sockets
            for _ in range(rounds if count <= self.FEW else 1)
        ]
        if setting.max_age:  # a slow query takes as long with the others
            loads.append(Load(self.SLEEPERS, asleep=self.plan.asleep))
            if setting.database == "SQLite" and way.endswith("/sync") and self.plan.every_setting:
                loads.append(Load(self.IDLE, is_idle=True))
        return sorted(loads)

    def turn_seconds(self) -> float:
        """Give the least: each socket has a reply in it, however long that takes."""
        return self.plan.short_seconds * 2

    def steps(self) -> Iterator[Step]:
        for setting in self.settings():
            for way in WAYS:
                loads = self.loads(setting, way)
                yield Step(
                    f"database: {way}, {setting.database}, {setting.name}",
                    way,
                    2 + sum(2 * self.turn_seconds() + 0.3 + load.sockets / 100 for load in loads),
                    partial(self.turn, setting, way),
                )

    async def turn(self, setting: Setting, way: str) -> None:
        environment = setting.environment(database := self.database(setting.database))
        with started(
            self.testbed.server, APPLICATION, environment, venv=self.testbed.venv
        ) as server:
            process = psutil.Process(server.process.pid)
            async with database.counting(process) as count:
                for load in self.loads(setting, way):
                    url = f"ws://127.0.0.1:{server.port}/{way}/"
                    turn = await self.bear(load, url, process, count)
                    self.turns[setting, load, way].append(turn)

    def database(self, name: str) -> Database:
        """Start it when it is first needed; it ends with the testbed."""
        if name not in self.databases:
            self.databases[name] = self.testbed.lasting.enter_context(self.DATABASES[name]())
        return self.databases[name]

    async def bear(self, load: Load, url: str, process: psutil.Process, count: Count) -> Turn:
        """Measure a way under a load, while its neighbour is asked too."""
        payload = request(SMALL, **({"delay": load.asleep} if load.asleep else {}))
        neighbour_url = f"{url.rsplit('/', 2)[0]}/neighbour/"
        async with opened(url, load.sockets) as sockets, opened(neighbour_url, 1) as neighbours:
            if not neighbours:
                raise UnmeasurableError("the neighbour was refused.")
            (neighbour,) = neighbours
            echo = await first_reply(neighbour, payload)
            left = await awake(sockets, neighbour) if load.asleep else sockets
            working = asyncio.create_task(work(load, left, payload, echo, self.turn_seconds()))
            counting = asyncio.create_task(most(count, working))
            rate = self.NEIGHBOUR_PER_SECOND
            waits = await open_loop_during(working, neighbour, payload, echo, rate)
            sample = await working
            return Turn(
                sample,
                waits,
                threads=sum(one.num_threads() for one in with_workers(process)),
                most_open=await counting,
                held=await at_rest(count),
                refused=load.sockets - len(left) + sample.errors,
            )

    def rows(self) -> list[DatabaseRow]:
        def place(item: tuple[tuple[Setting, Load, str], list[Turn]]) -> tuple[int, Load, int]:
            (setting, load, way), _ = item
            return self.SETTINGS.index(setting), load, WAYS.index(way)

        return [
            DatabaseRow(
                server=self.testbed.column,
                exhibit=way,
                database=setting.database,
                setting=setting.name,
                sockets=load.sockets,
                asleep=load.asleep,
                is_idle=load.is_idle,
                per_second=spread([turn.sample.per_second for turn in turns]),
                latency=latency_of([turn.sample for turn in turns]),
                neighbour=latency_of([turn.neighbour for turn in turns]),
                threads=max(turn.threads for turn in turns),
                most_open=max(turn.most_open for turn in turns),
                held=max(turn.held for turn in turns),
                refused=sum(turn.refused for turn in turns),
                errors=sum(turn.neighbour.errors for turn in turns),
            )
            for (setting, load, way), turns in sorted(self.turns.items(), key=place)
        ]

    def notes(self) -> Iterator[str]:
        yield (
            "Each way has a server of its own, which gets one load after another. With a thread "
            "each, database connections add up: each outlives its socket and its thread, until "
            "Python collects garbage."
        )

    def warnings(self) -> Iterator[str]:
        if missing := missing_for_postgresql():
            yield f"The database was SQLite only: {missing}."

    @staticmethod
    def title(row: DatabaseRow) -> str:
        work = "idle" if row.is_idle else "one query a message"
        if row.asleep:
            work = f"one query of {row.asleep:g} s each"
        return (
            f"{many(row.sockets, 'socket')}, {work}, on {row.database} with {row.setting}, "
            f"{row.server}"
        )

    @classmethod
    def charts(cls, rows: Sequence[DatabaseRow]) -> Iterator[Bars]:
        """Show the most sockets that a setting had to bear."""
        busy = [row for row in rows if not row.asleep and not row.is_idle]
        most_sockets = max(row.sockets for row in busy)
        for (database, setting), group in groupby(
            (row for row in busy if row.sockets == most_sockets),
            lambda row: (row.database, row.setting),
        ):
            yield Bars(
                f"{database} with {setting}: {many(most_sockets, 'socket')}, a query a message",
                "Replies a second, and database connections held at rest while the sockets are "
                "open. A socket is refused if there is no database connection or no thread for "
                "it. The thin line spans the single rounds.",
                [
                    Bar(
                        row.exhibit,
                        row.per_second.median,
                        f"{row.per_second.median:,.0f}, {row.held:,} held"
                        + (f", {row.refused:,} refused" if row.refused else ""),
                        f"p99 {milliseconds(row.latency, 'p99')} ms, "
                        f"neighbour's p99 {milliseconds(row.neighbour, 'p99')} ms, "
                        f"{row.threads:,} threads, {row.most_open:,} connections at most",
                        row.per_second,
                    )
                    for row in group
                ],
            )


async def work(
    load: Load, sockets: Sequence[Connection], payload: bytes, echo: bytes, seconds: float
) -> Sample:
    if load.is_idle or not sockets:
        await asyncio.sleep(seconds)
        return replace(join([]), seconds=seconds)
    if load.asleep:
        sample = join(await all_at_once(sockets, payload, echo))
        return replace(sample, seconds=max(sample.latencies, default=load.asleep))
    return await closed_loop(sockets, payload, echo, seconds)


async def all_at_once(sockets: Sequence[Connection], payload: bytes, echo: bytes) -> list[Sample]:
    """Send one message over each socket, and give a sample of each."""
    rate = len(sockets) / TIMER_SECONDS
    return await open_loop(sockets, payload, [echo] * len(sockets), TIMER_SECONDS, rate)


async def awake(sockets: Sequence[Connection], neighbour: Connection) -> list[Connection]:
    """Have each socket send one slow query, so that database connections are open; give those left.

    Opening ten of them at once would otherwise be the wait of a neighbour.
    """
    payload = request(SMALL, delay=WAKING_SECONDS)
    samples = await all_at_once(sockets, payload, await first_reply(neighbour, payload))
    return [socket for socket, one in zip(sockets, samples, strict=True) if not one.errors]


@asynccontextmanager
async def opened(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """Open sockets; those that are refused are not there."""
    connections, _ = await connect(url, count)
    try:
        yield connections
    finally:
        await disconnect(connections)


def with_workers(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


async def most(count: Count, working: "asyncio.Task[Sample]") -> int:
    """Look for the largest number of open connections while there is work."""
    found = await count()
    while not working.done():
        found = max(found, await count())
        await asyncio.sleep(LOOK_SECONDS / 4)
    return found


async def at_rest(count: Count) -> int:
    """Count when the number of open connections changes no more."""
    give_up = perf_counter() + REST_SECONDS
    now, before = await count(), -1
    while now != before and perf_counter() < give_up:
        await asyncio.sleep(LOOK_SECONDS)
        now, before = await count(), now
    return now
