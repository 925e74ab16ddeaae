"""``workers``: what an answer costs that another process gives: a worker, a bot, or the bridge."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import ClassVar

from sandbox.bench.another_process import ECHO, MOST_CLIENTS, ROOM, WAYS, Running, Way, running
from sandbox.bench.client import Connection, disconnect
from sandbox.bench.exhibits import Exhibit, rotated
from sandbox.bench.experiment import (
    Experiment,
    Row,
    Step,
    errors_in,
    grouped,
    latency_of,
    shares,
)
from sandbox.bench.load import Sample, by_turns, closed_loop, first_reply
from sandbox.bench.output.charts import Bar, Bars
from sandbox.bench.output.table import Column, latency_columns, many, milliseconds, share_columns
from sandbox.bench.plan import Plan
from sandbox.bench.spread import Latency, Spread, spread
from sandbox.bench.testbed import Testbed
from sandbox.processes.mosquitto import NO_PROGRAM, find_mosquitto

ANSWERS = {ECHO: "an echo", ROOM: "a message in a room"}


class WorkersRow(Row, frozen=True, kw_only=True):
    """``workers``: one message in flight on each connection, and who gives the answer."""

    baseline: str
    """What gives it in the server's own process."""
    connections: int
    per_second: Spread
    """Answers, to all connections together."""
    share_of_baseline: Spread
    """Of each single round: the two had their turns in the same seconds."""
    latency: Latency


class Workers(Experiment[WorkersRow]):
    """Closed loop, as in ``echo``; in every turn a way and its baseline take slices by turns."""

    row = WorkersRow
    by_default = False
    needs_redis = True
    turns: dict[tuple[int, str], list[tuple[Sample, Sample]]]
    columns = (
        Column("per second", lambda row: f"{row.per_second.median:,.0f}"),
        *share_columns("share of baseline", lambda row: row.share_of_baseline),
        *latency_columns("p50", "p99"),
    )

    SLICES: ClassVar[int] = 2

    def __init__(self, testbed: Testbed, plan: Plan) -> None:
        super().__init__(testbed, plan)
        self._running: Running | None = None

    @classmethod
    def usual(cls, plan: Plan) -> list[Exhibit]:  # noqa: ARG003 # it has ways of its own
        return []

    def ways(self) -> list[str]:
        return [name for name, way in WAYS.items() if find_mosquitto() or not way.device]

    def connections(self) -> list[int]:
        return sorted({min(number, MOST_CLIENTS) for number in self.plan.connections})

    def steps(self) -> Iterator[Step]:
        for connections in self.connections():
            for number in range(self.plan.rounds):
                for name in rotated(self.ways(), number):
                    yield Step(
                        f"workers: {name}, {many(connections, 'connection')}",
                        name,
                        2 * (self.plan.seconds * 4 / 3 + connections / 300),
                        partial(self.turn, name, connections),
                    )

    async def turn(self, name: str, connections: int) -> None:
        if self._running is None:  # until the testbed ends
            self._running = await running(self.testbed, max(self.connections()))
        async with AsyncExitStack() as stack:
            loads = [
                await stack.enter_async_context(self.load(self._running, WAYS[one], connections))
                for one in (WAYS[name].baseline, name)
            ]
            baseline, own = await by_turns(loads, self.SLICES)
        self.turns[connections, name].append((own, baseline))

    @asynccontextmanager
    async def load(
        self, there: Running, way: Way, clients: int
    ) -> AsyncIterator[Callable[[], Awaitable[Sample]]]:
        """Connect so many clients; give what asks them all for a slice of a turn."""
        payload, expected = way.question()
        connections: list[Connection] = []
        try:
            for number in range(clients):
                connections.append(await there.client(way, number))  # noqa: PERF401 # those before one that fails are closed
            first = (first_reply(one, payload, expected) for one in connections)
            echo, *_ = await asyncio.gather(*first)
            yield partial(closed_loop, connections, payload, echo, self.plan.seconds / self.SLICES)
        finally:
            await disconnect(connections)

    def rows(self) -> list[WorkersRow]:
        return [
            WorkersRow(
                server=self.testbed.column,
                exhibit=name,
                baseline=WAYS[name].baseline,
                connections=connections,
                per_second=spread([own.per_second for own, _ in turns]),
                share_of_baseline=shares((own.per_second, it.per_second) for own, it in turns),
                latency=latency_of([own for own, _ in turns]),
                errors=errors_in([own for own, _ in turns]),
            )
            for connections in self.connections()
            for name in WAYS
            if (turns := self.turns[connections, name])
        ]

    def notes(self) -> Iterator[str]:
        yield (
            "workers: the server, the worker, Redis and the bridge share all cores but that of the "
            "client and the broker. Each client of a bot or of the bridge is in a room of its own. "
            "Each command reaches both bots, and each looks up whether it is invited."
        )

    def warnings(self) -> Iterator[str]:
        if not find_mosquitto():
            yield f"The bridge was not measured: {NO_PROGRAM}"

    @staticmethod
    def title(row: WorkersRow) -> str:
        return (
            f"{ANSWERS[row.baseline]}, with and without another process, "
            f"{many(row.connections, 'connection')}, {row.server}"
        )

    @classmethod
    def charts(cls, rows: Sequence[WorkersRow]) -> Iterator[Bars]:
        for (connections, baseline), group in grouped(
            rows, lambda row: (row.connections, row.baseline)
        ):
            yield Bars(
                f"{ANSWERS[baseline].capitalize()}, with and without another process: "
                f"{many(connections, 'connection')}",
                f"Answers a second, with one message in flight on each connection. {baseline} "
                "needs no other process. The thin line spans the single rounds.",
                [
                    Bar(
                        row.exhibit,
                        row.per_second.median,
                        f"{row.per_second.median:,.0f}",
                        f"p50 {milliseconds(row.latency, 'p50')} ms, "
                        f"p99 {milliseconds(row.latency, 'p99')} ms",
                        row.per_second,
                    )
                    for row in group
                ],
            )
