"""``fanout``: one message to all members of a room, in memory and through Redis."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import ClassVar

from sandbox.bench.client import Connection, connect, disconnect
from sandbox.bench.exhibits import BY_ID, Exhibit
from sandbox.bench.experiment import Experiment, Figure, Row, Step, errors_in, grouped, latency_of
from sandbox.bench.load import Sample, fan_out, request
from sandbox.bench.output.charts import Bar, Bars
from sandbox.bench.output.table import SPREAD, Column, latency_columns, low_high, many, milliseconds
from sandbox.bench.plan import SMALL, Plan
from sandbox.bench.spread import Latency, Spread, spread
from sandbox.bench.testbed import UnmeasurableError, redis, started
from sandbox.processes.servers import Server


class FanoutRow(Row, frozen=True, kw_only=True):
    """``fanout``: one message to all members of a room."""

    layer: str
    processes: int
    members: int
    deliveries_per_second: Spread
    """To all members together."""
    latency: Latency


class Fanout(Experiment[FanoutRow]):
    """The members are spread over the processes; the first sends when all have received."""

    row = FanoutRow
    takes = "WebSocket exhibits with rooms that do not remember, such as rooms/websocket"
    takes_rooms = True
    has_no_redis = False
    turns: dict[tuple[str, int, int, str], list[Sample]]
    columns = (
        Column("members", lambda row: f"{row.members}"),
        Column("deliveries a second", lambda row: f"{row.deliveries_per_second.median:,.0f}"),
        Column(SPREAD, lambda row: low_high(row.deliveries_per_second, ",.0f")),
        *latency_columns("p50", "p99"),
    )

    figures: ClassVar = {
        "deliveries": Figure("deliveries a second", lambda row: row.deliveries_per_second)
    }
    compared = "deliveries"

    WAYS: ClassVar[tuple[tuple[str, int], ...]] = (("in memory", 1), ("Redis", 1), ("Redis", 2))

    @classmethod
    def usual(cls, plan: Plan) -> list[Exhibit]:
        return [BY_ID[one] for one in plan.rooms]

    def steps(self) -> Iterator[Step]:
        rooms = len(self.plan.members) * self.plan.rounds
        # Servers that share no database cannot share a room that remembers.
        own = [one for one in self.exhibits if one.scheme == "ws" and not one.remembers]
        for layer, processes in self.WAYS:
            for exhibit in own:
                yield Step(
                    f"fanout: {exhibit.id}, {layer}, {many(processes, 'process', 'processes')}",
                    exhibit.id,
                    2 + rooms * (self.plan.short_seconds * 2 + 0.1),
                    partial(self.turn, exhibit, layer, processes),
                )

    async def turn(self, exhibit: Exhibit, layer: str, processes: int) -> None:
        with ExitStack() as stack:
            environment = {}
            if layer == "Redis":
                url = stack.enter_context(redis())
                if not url:
                    self.has_no_redis = True
                    return
                environment = {"REDIS_URL": url}
            servers = [
                stack.enter_context(
                    started(self.testbed.server, environment=environment, venv=self.testbed.venv)
                )
                for _ in range(processes)
            ]
            for members in self.plan.members:
                for number in range(self.plan.rounds):
                    sample = await self.room(servers, exhibit, f"{members}-{number}", members)
                    self.turns[layer, processes, members, exhibit.id].append(sample)

    async def room(
        self, servers: Sequence[Server], exhibit: Exhibit, name: str, members: int
    ) -> Sample:
        path = exhibit.path_in(name)
        connections: list[Connection] = []
        for number in range(members):
            port = servers[number % len(servers)].port
            connections += (await connect(f"ws://127.0.0.1:{port}{path}", 1))[0]
        if len(connections) < members:
            refused = members - len(connections)
            raise UnmeasurableError(f"{refused} of {members} connections were refused.")
        try:
            return await fan_out(connections, request(SMALL), self.plan.short_seconds)
        finally:
            await disconnect(connections)

    def rows(self) -> list[FanoutRow]:
        return [
            FanoutRow(
                server=self.testbed.column,
                exhibit=exhibit,
                layer=layer,
                processes=processes,
                members=members,
                deliveries_per_second=spread([sample.per_second for sample in samples]),
                latency=latency_of(samples),
                errors=errors_in(samples),
            )
            for (layer, processes, members, exhibit), samples in self.turns.items()
        ]

    def warnings(self) -> Iterator[str]:
        if self.has_no_redis:
            yield (
                "Rooms were not measured through Redis: there is no redis-server or valkey-server "
                "on PATH, and no REDIS_URL."
            )

    @staticmethod
    def title(row: FanoutRow) -> str:
        return (
            f"one message to all members of a room, {row.layer}, "
            f"{many(row.processes, 'process', 'processes')} of {row.server}"
        )

    @classmethod
    def where(cls, row: FanoutRow) -> str:
        return f"{cls.title(row)}, {row.members} members"

    @classmethod
    def charts(cls, rows: Sequence[FanoutRow]) -> Iterator[Bars]:
        for (layer, processes, members), group in grouped(
            rows, lambda row: (row.layer, row.processes, row.members)
        ):
            yield Bars(
                f"Rooms of {members}: {layer}, "
                f"{many(processes, 'server process', 'server processes')}",
                "How many messages a second the members of a room receive, all together. "
                "The thin line spans the single rounds.",
                [
                    Bar(
                        row.exhibit,
                        row.deliveries_per_second.median,
                        f"{row.deliveries_per_second.median:,.0f}",
                        f"p50 {milliseconds(row.latency, 'p50')} ms",
                        row.deliveries_per_second,
                    )
                    for row in group
                ],
            )
