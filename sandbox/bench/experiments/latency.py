"""``latency``: how long replies take at a steady rate that an exhibit can bear."""

from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median

from sandbox.bench import spread as figures
from sandbox.bench.exhibits import Exhibit, rotated, without_doubles
from sandbox.bench.experiment import Experiment, Row, Step, errors_in, grouped, latency_of
from sandbox.bench.load import Sample, first_reply, open_loop, request
from sandbox.bench.output.charts import Curves
from sandbox.bench.output.table import SPREAD, Column, latency_columns, low_high
from sandbox.bench.spread import Spread


class LatencyRow(Row, frozen=True, kw_only=True):
    """``latency``: at a fixed rate, counted from when each request was due."""

    connections: int
    load: float
    """The rate as a share of what the exhibit can do at most."""
    rate: float
    """Requests a second, the median of all rounds."""
    latency: figures.Latency
    p99: Spread


class Latency(Experiment[LatencyRow]):
    """Open loop: each round looks for an exhibit's maximum first, then gives it a share of that."""

    row = LatencyRow
    turns: dict[tuple[float, str], list[tuple[float, list[Sample]]]]
    columns = (
        Column("requests a second", lambda row: f"{row.rate:,.0f}"),
        *latency_columns("p50", "p99"),
        Column(SPREAD, lambda row: low_high(row.p99, ".3g")),
        *latency_columns("max"),
    )

    def steps(self) -> Iterator[Step]:
        for number in range(self.plan.rounds):
            for exhibit in rotated(without_doubles(self.exhibits), number):
                yield Step(
                    f"latency: {exhibit.id}",
                    exhibit.id,
                    (self.plan.short_seconds + 0.1) * (1 + len(self.plan.loads)),
                    partial(self.turn, exhibit),
                )

    async def turn(self, exhibit: Exhibit) -> None:
        payload, count = request(self.plan.usual_size), self.plan.usual
        seconds = self.plan.short_seconds
        maximum = (await self.testbed.saturate(exhibit, count, payload, seconds)).per_second
        for load in self.plan.loads:
            rate = load * maximum
            async with self.testbed.connections(exhibit, count) as connections:
                echoes = [await first_reply(connections[0], payload)] * count
                samples = await open_loop(connections, payload, echoes, seconds, rate)
            self.turns[load, exhibit.id].append((rate, samples))

    def rows(self) -> list[LatencyRow]:
        return [
            LatencyRow(
                server=self.testbed.column,
                exhibit=exhibit,
                connections=self.plan.usual,
                load=load,
                rate=median(rate for rate, _ in turns),
                latency=latency_of([sample for _, samples in turns for sample in samples]),
                p99=_p99([latency_of(samples) for _, samples in turns]),
                errors=errors_in([sample for _, samples in turns for sample in samples]),
            )
            for (load, exhibit), turns in sorted(self.turns.items(), key=lambda item: item[0][0])
        ]

    @staticmethod
    def title(row: LatencyRow) -> str:
        return f"at {row.load:.0%} of its own maximum, on {row.server}"

    @classmethod
    def charts(cls, rows: Sequence[LatencyRow]) -> Iterator[Curves]:
        for load, group in grouped(rows, lambda row: row.load):
            yield Curves(
                f"Latency at {load:.0%} of its own maximum",
                "How long the slowest replies take when requests come at a steady rate that the "
                "exhibit can bear, counted from when each was due; lower and flatter is better.",
                [(row.exhibit, row.latency) for row in group if row.latency],
            )


def _p99(rounds: Sequence[figures.Latency]) -> Spread:
    """Of the rounds that had a reply: on a busy machine a short turn may have none."""
    return figures.spread([latency["p99"] for latency in rounds if latency] or [0.0])
