"""The experiments. Each is a list of steps, and at any time the rows of what is complete."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from statistics import median
from time import perf_counter
from typing import ClassVar, Protocol

import psutil
from msgspec.structs import replace

from sandbox.bench.client import Line, connect, disconnect
from sandbox.bench.cores import connections_at_most
from sandbox.bench.lab import (
    SMALL,
    Exhibit,
    Lab,
    UnfitError,
    processor_seconds,
    redis,
    started,
)
from sandbox.bench.load import Sample, fan_out, first_reply, open_loop, request
from sandbox.bench.report import (
    TRACE_SECONDS,
    Delayed,
    Fanned,
    Idle,
    Paced,
    Report,
    Round,
    Spread,
    Stalled,
    Throughput,
    percentiles,
    spread,
)
from sandbox.processes.servers import Server

USUAL = 32
"""Connections, where their number is not what is looked at."""
RESTING_SHARE = 0.05
"""Of a core: a server that uses no more is resting."""
RESTING_SECONDS = 60.0
"""The longest to wait for that."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 0.5
    """How long one turn of one exhibit lasts, at the usual load."""
    connections: tuple[int, ...] = (1, USUAL, 256)
    payloads: tuple[int, ...] = (SMALL, 4 * 1024, 60 * 1024)
    loads: tuple[float, ...] = (0.5, 0.8)
    waiting: tuple[int, ...] = (USUAL, 128)
    idle: tuple[int, ...] = (100, 1000, 10_000)
    members: tuple[int, ...] = (2, 10, 50)
    rooms: tuple[str, ...] = ("rooms/websocket", "rooms/async-websocket")
    every_probe: bool = True
    """Of compare, before anything is measured."""

    @property
    def usual(self) -> int:
        return USUAL if USUAL in self.connections else self.connections[0]

    @property
    def usual_size(self) -> int:
        return SMALL if SMALL in self.payloads else self.payloads[0]

    @property
    def brief(self) -> float:
        """How long a turn lasts elsewhere: what is told of there is a curve, not one figure."""
        return self.seconds * 0.3


QUICK = Plan(
    rounds=2,
    seconds=0.2,
    connections=(USUAL,),
    payloads=(SMALL,),
    loads=(0.5,),
    waiting=(USUAL,),
    idle=(100,),
    members=(10,),
    rooms=("rooms/async-websocket",),
    every_probe=False,
)
"""A minute's look."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do for an exhibit, what to say meanwhile, and how long it should take."""

    says: str
    exhibit: str
    seconds: float
    do: Callable[[], Awaitable[None]]


class Experiment(Protocol):
    def __init__(self, lab: Lab, plan: Plan) -> None: ...
    def steps(self) -> Iterator[Step]: ...
    def add_to(self, report: Report) -> None:
        """Add the rows of what has been measured so far."""


@dataclass
class Echo:
    """Closed loop: the most that each exhibit does, every turn in slices between the baseline's."""

    lab: Lab
    plan: Plan
    turns: dict[tuple[int, int, str], list[tuple[Sample, Sample]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    SLICE: ClassVar[float] = 0.1
    """About as many seconds, before it is the other's turn again; longer from 100 connections on,
    for each is to have more than one reply in it."""

    def cells(self) -> list[tuple[int, int]]:
        """Connections and bytes: all of one with the usual of the other, not each with each."""
        return [
            *((connections, self.plan.usual_size) for connections in self.plan.connections),
            *(
                (self.plan.usual, size)
                for size in self.plan.payloads
                if size != self.plan.usual_size
            ),
        ]

    def is_usual(self, connections: int, size: int) -> bool:
        return (connections, size) == (self.plan.usual, self.plan.usual_size)

    def seconds(self, exhibit: Exhibit, connections: int, size: int) -> float:
        """Many connections need a whole turn, for each of them waits for many others.

        So does HTTP: each request leaves garbage, and Daphne stops twice a second to collect it.
        """
        is_many = size == self.plan.usual_size and connections >= self.plan.usual
        return self.plan.seconds if is_many or exhibit.protocol == "http" else self.plan.brief

    def steps(self) -> Iterator[Step]:
        for connections, size in self.cells():
            exhibits = self.lab.exhibits
            if not self.is_usual(connections, size):
                exhibits = _but_doubles(exhibits)
            for number in range(self.plan.rounds):
                for exhibit in _rotated(exhibits, number):
                    seconds = self.seconds(exhibit, connections, size) * 4 / 3
                    yield Step(
                        f"echo: {exhibit.id}, {connections} connections, {size} bytes",
                        exhibit.id,
                        2 * (seconds + 0.05 + connections / 700),
                        partial(self.turn, exhibit, connections, size),
                    )

    async def turn(self, exhibit: Exhibit, connections: int, size: int) -> None:
        seconds = self.seconds(exhibit, connections, size)
        slices = max(round(seconds / self.SLICE / max(connections / 100, 1)), 2)
        baseline, own = await self.lab.side_by_side(
            [self.lab.baseline(exhibit), exhibit],
            connections,
            request(size),
            seconds,
            slices=slices,
        )
        self.turns[connections, size, exhibit.id].append((own, baseline))
        if self.is_usual(connections, size):
            self.lab.most[exhibit.id].append(own.per_second)

    def add_to(self, report: Report) -> None:
        for (connections, size, exhibit), turns in self.turns.items():
            rounds = [Round(own.per_second, baseline.per_second) for own, baseline in turns]
            samples = [own for own, _ in turns]
            replies = sum(len(sample.latencies) for sample in samples)
            report.echo.append(
                Throughput(
                    self.lab.server,
                    exhibit,
                    connections,
                    size,
                    spread([one.per_second for one in rounds]),
                    _shares(rounds),
                    sum(sample.metered for sample in samples) / (replies or 1) * 1e6,
                    _percentiles(samples),
                    _errors(samples),
                    rounds,
                )
            )


@dataclass
class Latency:
    """Open loop: how long replies take at a rate that an exhibit can bear."""

    lab: Lab
    plan: Plan
    turns: dict[tuple[float, str], list[tuple[float, list[Sample]]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def steps(self) -> Iterator[Step]:
        for load in self.plan.loads:
            for number in range(self.plan.rounds):
                for exhibit in _rotated(_but_doubles(self.lab.exhibits), number):
                    yield Step(
                        f"latency: {exhibit.id} at {load:.0%} of its most",
                        exhibit.id,
                        self.plan.brief + 0.1,
                        partial(self.turn, exhibit, load),
                    )

    async def turn(self, exhibit: Exhibit, load: float) -> None:
        payload, connections = request(self.plan.usual_size), self.plan.usual
        rate = load * await self.most(exhibit)
        async with self.lab.lines(exhibit, connections) as lines:
            echoes = [await first_reply(lines[0], payload)] * len(lines)
            samples = await open_loop(lines, payload, echoes, self.plan.brief, rate)
        self.turns[load, exhibit.id].append((rate, samples))

    async def most(self, exhibit: Exhibit) -> float:
        """What echo found, or a short look of our own."""
        if not (found := self.lab.most[exhibit.id]):
            sample = await self.lab.saturate(
                exhibit, self.plan.usual, request(self.plan.usual_size), self.plan.brief
            )
            found.append(sample.per_second)
        return median(found)

    def add_to(self, report: Report) -> None:
        for (load, exhibit), turns in self.turns.items():
            samples = [sample for _, samples in turns for sample in samples]
            report.latency.append(
                Paced(
                    self.lab.server,
                    exhibit,
                    self.plan.usual,
                    load,
                    median(rate for rate, _ in turns),
                    _percentiles(samples),
                    spread([_percentiles(samples)["p99"] for _, samples in turns]),
                    _errors(samples),
                )
            )


@dataclass
class Delay:
    """Every request waits: where threads run out, and event loops do not."""

    lab: Lab
    plan: Plan
    turns: dict[tuple[int, str], list[Sample]] = field(default_factory=lambda: defaultdict(list))

    SECONDS: ClassVar[float] = 0.05
    ROUNDS: ClassVar[int] = 3
    """What waits varies little."""

    def steps(self) -> Iterator[Step]:
        exhibits = _but_doubles(_that_wait(self.lab.exhibits), with_codec=False)
        for connections in self.plan.waiting:
            for number in range(min(self.plan.rounds, self.ROUNDS)):
                for exhibit in _rotated(exhibits, number):
                    yield Step(
                        f"delay: {exhibit.id}, {connections} connections",
                        exhibit.id,
                        self.turn_seconds() * 4 / 3 + connections / 1500,
                        partial(self.turn, exhibit, connections),
                    )

    def turn_seconds(self) -> float:
        return max(self.plan.brief * 2, 10 * self.SECONDS)  # many wait in step

    async def turn(self, exhibit: Exhibit, connections: int) -> None:
        payload = request(SMALL, delay=self.SECONDS)
        sample = await self.lab.saturate(exhibit, connections, payload, self.turn_seconds())
        self.turns[connections, exhibit.id].append(sample)

    def add_to(self, report: Report) -> None:
        for (connections, exhibit), samples in self.turns.items():
            ideal = connections / self.SECONDS
            report.delay.append(
                Delayed(
                    self.lab.server,
                    exhibit,
                    connections,
                    self.SECONDS,
                    ideal,
                    spread([sample.per_second / ideal for sample in samples]),
                    _percentiles(samples),
                    _errors(samples),
                )
            )


@dataclass
class Stall:
    """One sync exhibit of each edition blocks for a second, while all others go on."""

    lab: Lab
    plan: Plan
    turns: dict[tuple[str, str], list[Sample]] = field(default_factory=lambda: defaultdict(list))

    BEFORE: ClassVar[float] = 0.8
    BLOCKED: ClassVar[float] = 1.0
    AFTER: ClassVar[float] = 0.2
    PER_SECOND: ClassVar[int] = 50
    """Requests to each neighbour: few enough that none of them is busy."""

    def steps(self) -> Iterator[Step]:
        blockers = [
            exhibit
            for exhibit in _that_wait(self.lab.exhibits)
            if exhibit.is_consumer and exhibit.id.endswith("/websocket")
        ]
        for number in range(self.plan.rounds):
            for exhibit in _rotated(blockers, number):
                yield Step(
                    f"stall: {exhibit.id} blocks",
                    exhibit.id,
                    self.BEFORE + self.BLOCKED + self.AFTER + 0.2,
                    partial(self.turn, exhibit),
                )

    async def turn(self, blocker: Exhibit) -> None:
        payload = request(SMALL)
        async with AsyncExitStack() as stack:
            lines = [
                (await stack.enter_async_context(self.lab.lines(exhibit, 1)))[0]
                for exhibit in self.lab.exhibits
            ]
            echoes = [await first_reply(line, payload) for line in lines]
            (blocked,) = await stack.enter_async_context(self.lab.lines(blocker, 1))
            blocking = asyncio.create_task(self.block(blocked))
            samples = await open_loop(
                lines,
                payload,
                echoes,
                self.BEFORE + self.BLOCKED + self.AFTER,
                self.PER_SECOND * len(lines),
            )
            await blocking
        for exhibit, sample in zip(self.lab.exhibits, samples, strict=True):
            self.turns[blocker.id, exhibit.id].append(sample)

    async def block(self, line: Line) -> None:
        await asyncio.sleep(self.BEFORE)
        await first_reply(line, request(SMALL, delay=self.BLOCKED))

    def add_to(self, report: Report) -> None:
        for (blocker, neighbour), samples in self.turns.items():
            before = [_p99(self.between(sample, 0, self.BEFORE)) for sample in samples]
            during = [
                _p99(self.between(sample, self.BEFORE, self.BEFORE + self.BLOCKED))
                for sample in samples
            ]
            report.stall.append(
                Stalled(
                    self.lab.server,
                    blocker,
                    neighbour,
                    spread(before),
                    spread([after - first for first, after in zip(before, during, strict=True)]),
                    self.trace(samples[0]),
                    _errors(samples),
                )
            )

    @staticmethod
    def trace(sample: Sample) -> list[float]:
        slowest = [0.0] * ceil(sample.seconds / TRACE_SECONDS)
        for due, latency in _replies(sample):
            place = int(due / TRACE_SECONDS)
            slowest[place] = max(slowest[place], latency * 1000)
        return slowest

    @staticmethod
    def between(sample: Sample, began: float, ended: float) -> list[float]:
        return [latency for due, latency in _replies(sample) if began <= due < ended]


@dataclass
class Connections:
    """Idle sockets, on a server that has just been started: what each costs, and what it leaves."""

    lab: Lab
    plan: Plan
    rows: list[Idle] = field(default_factory=list)

    def steps(self) -> Iterator[Step]:
        sockets = [exhibit for exhibit in self.lab.exhibits if exhibit.protocol == "ws"]
        for exhibit in _but_doubles(sockets, with_codec=False):
            yield Step(
                f"connections: {exhibit.id}",
                exhibit.id,
                4 + self.plan.idle[-1] / 500,
                partial(self.turn, exhibit),
            )

    async def turn(self, exhibit: Exhibit) -> None:
        with started(self.lab.server, exhibit.application) as running:
            url = f"{exhibit.protocol}://127.0.0.1:{running.port}{exhibit.path}"
            warm, _ = await connect(url, 1)
            await first_reply(warm[0], request(SMALL))
            process = psutil.Process(running.process.pid)
            await _rest(process)
            memory, threads = _memory(process), process.num_threads()
            lines: list[Line] = []
            rows = []
            for asked in self.plan.idle:
                began, already = perf_counter(), len(lines)
                more, _ = await connect(url, min(asked, connections_at_most()) - already)
                took = perf_counter() - began
                lines += more
                await _rest(process)
                rows.append(
                    Idle(
                        self.lab.server,
                        exhibit.id,
                        asked,
                        len(lines),
                        len(more) / took,
                        (_memory(process) - memory) / (len(lines) or 1),
                        (process.num_threads() - threads) / (len(lines) or 1),
                        0.0,
                    )
                )
            await disconnect(lines)
            await _rest(process)
            left = _memory(process) - memory
            self.rows += [replace(row, kib_left=left) for row in rows]
            await disconnect(warm)

    def add_to(self, report: Report) -> None:
        report.connections += self.rows
        limit = connections_at_most()
        if any(row.asked > limit for row in self.rows):
            report.warnings.append(
                f"The limit of open files lets {limit} connections be opened, not "
                f"{self.plan.idle[-1]}."
            )


@dataclass
class Fanout:
    """One message to everybody in a room: in memory, and through Redis to one and two processes."""

    lab: Lab
    plan: Plan
    turns: dict[tuple[str, int, int, str], list[Sample]] = field(
        default_factory=lambda: defaultdict(list)
    )
    has_no_redis: bool = False

    WAYS: ClassVar[tuple[tuple[str, int], ...]] = (("in memory", 1), ("Redis", 1), ("Redis", 2))

    def steps(self) -> Iterator[Step]:
        for layer, processes in self.WAYS:
            for exhibit in self.plan.rooms:
                yield Step(
                    f"fanout: {exhibit}, {layer}, {processes} processes",
                    exhibit,
                    2 + len(self.plan.members) * self.plan.rounds * (self.plan.brief * 2 + 0.1),
                    partial(self.turn, exhibit, layer, processes),
                )

    async def turn(self, exhibit: str, layer: str, processes: int) -> None:
        with ExitStack() as stack:
            environment = {}
            if layer == "Redis":
                url = stack.enter_context(redis())
                if not url:
                    self.has_no_redis = True
                    return
                environment = {"REDIS_URL": url}
            servers = [
                stack.enter_context(started(self.lab.server, environment=environment))
                for _ in range(processes)
            ]
            for members in self.plan.members:
                for number in range(self.plan.rounds):
                    sample = await self.speak(servers, f"{members}-{number}/{exhibit}", members)
                    self.turns[layer, processes, members, exhibit].append(sample)

    async def speak(self, servers: Sequence[Server], room: str, members: int) -> Sample:
        name, _, exhibit = room.partition("/rooms/")
        lines: list[Line] = []
        for number in range(members):
            port = servers[number % len(servers)].port
            lines += (await connect(f"ws://127.0.0.1:{port}/rooms/{name}/{exhibit}/", 1))[0]
        if len(lines) < members:
            raise UnfitError(f"{members - len(lines)} of {members} connections were refused.")
        try:
            return await fan_out(lines, request(SMALL), self.plan.brief)
        finally:
            await disconnect(lines)

    def add_to(self, report: Report) -> None:
        for (layer, processes, members, exhibit), samples in self.turns.items():
            report.fanout.append(
                Fanned(
                    self.lab.server,
                    exhibit,
                    layer,
                    processes,
                    members,
                    spread([sample.per_second for sample in samples]),
                    _percentiles(samples),
                    _errors(samples),
                )
            )
        if self.has_no_redis:
            report.warnings.append(
                "Rooms were not measured through Redis: there is no redis-server or valkey-server "
                "on PATH, and no REDIS_URL."
            )


EXPERIMENTS: dict[str, type[Experiment]] = {
    "echo": Echo,
    "latency": Latency,
    "delay": Delay,
    "stall": Stall,
    "connections": Connections,
    "fanout": Fanout,
}


def _rotated(exhibits: Sequence[Exhibit], number: int) -> Sequence[Exhibit]:
    """Have another one go first in each round: whoever is first finds the server as nobody else."""
    start = number % len(exhibits) if exhibits else 0
    return [*exhibits[start:], *exhibits[:start]]


def _but_doubles(exhibits: Sequence[Exhibit], *, with_codec: bool = True) -> list[Exhibit]:
    """Leave out whoever costs what another one here costs.

    A tutorial is stock with another codec; an asynchronous stock exhibit is echo's very class,
    mounted alike. ``with_codec`` keeps the JSON types, which are the raw ones with a codec.
    """
    ids = {exhibit.id for exhibit in exhibits}

    def doubles(exhibit: Exhibit) -> Iterator[str]:
        slug = exhibit.id.removeprefix(f"{exhibit.edition}/")
        if exhibit.edition == "tutorial":
            yield from (f"stock/{slug}", f"echo/{slug}")
        if exhibit.edition == "stock" and slug.startswith("async-"):
            yield f"echo/{slug}"
        if "json-" in slug and not with_codec:
            yield f"{exhibit.edition}/{slug.replace('json-', '')}"

    return [exhibit for exhibit in exhibits if ids.isdisjoint(doubles(exhibit))]


def _that_wait(exhibits: Sequence[Exhibit]) -> list[Exhibit]:
    """Leave out those that know no delay."""
    return [exhibit for exhibit in exhibits if exhibit.edition != "tutorial"]


def _percentiles(samples: Sequence[Sample]) -> dict[str, float]:
    return percentiles([latency for sample in samples for latency in sample.latencies])


def _shares(rounds: Sequence[Round]) -> Spread:
    """Of the baseline, where it answered: on a busy machine a short turn may see nothing."""
    shares = [one.per_second / one.baseline_per_second for one in rounds if one.baseline_per_second]
    return spread(shares or [0.0])


def _replies(sample: Sample) -> Iterator[tuple[float, float]]:
    return zip(sample.due, sample.latencies, strict=True)


def _p99(latencies: Sequence[float]) -> float:
    return percentiles(latencies).get("p99", 0.0)


def _errors(samples: Sequence[Sample]) -> int:
    return sum(sample.errors for sample in samples)


async def _rest(process: psutil.Process) -> None:
    """Wait until a server has dealt with those who came or left."""
    give_up = perf_counter() + RESTING_SECONDS
    is_resting = False
    while not is_resting and perf_counter() < give_up:
        before, since = processor_seconds(process), perf_counter()
        await asyncio.sleep(0.3)
        used = processor_seconds(process) - before
        is_resting = used <= RESTING_SHARE * (perf_counter() - since)


def _memory(process: psutil.Process) -> float:
    """Memory of a server and its workers, in KiB."""
    everyone = (process, *process.children(recursive=True))
    return sum(one.memory_info().rss for one in everyone) / 1024
