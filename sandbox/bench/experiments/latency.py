"""``latency``: how long replies take at a steady rate that an exhibit can bear."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import ClassVar

from sandbox.bench import spread as figures
from sandbox.bench.exhibits import Exhibit, rotated, without_doubles
from sandbox.bench.experiment import Experiment, Figure, Row, Step, errors_in, grouped
from sandbox.bench.histogram import encoded, points
from sandbox.bench.load import Sample, first_reply, open_loop, request, uncorrected
from sandbox.bench.output.charts import Curve, Curves
from sandbox.bench.output.table import SPREAD, Column, latency_columns, low_high, milliseconds
from sandbox.bench.spread import Spread, spread


class LatencyRow(Row, frozen=True, kw_only=True):
    """``latency``: at a fixed rate, counted from when each request was due."""

    connections: int
    load: float
    """The rate as a share of what the exhibit can do at most."""
    rate: Spread
    """Requests a second."""
    latency: figures.Latency
    uncorrected: figures.Latency
    """The same replies, counted as a client does that waits for one before its next request."""
    histogram: str
    """Of all rounds: HdrHistogram's compressed form, in microseconds."""
    uncorrected_histogram: str


def _percentile(name: str, row: LatencyRow) -> Spread | None:
    return row.latency.get(name)


class Latency(Experiment[LatencyRow]):
    """Open loop: each round looks for an exhibit's maximum first, then gives it a share of that."""

    row = LatencyRow
    takes_devices = True
    turns: dict[tuple[float, str], list[tuple[float, list[Sample]]]]
    columns = (
        Column("requests a second", lambda row: f"{row.rate.median:,.0f}"),
        *latency_columns("p50", "p99"),
        Column(SPREAD, lambda row: low_high(row.latency["p99"], ".3g") if row.latency else "-"),
        *latency_columns("max"),
        Column("p99 not corrected", lambda row: milliseconds(row.uncorrected, "p99")),
    )
    figures: ClassVar = {
        name: Figure(f"{name} in milliseconds at a steady rate", partial(_percentile, name))
        for name in ("p50", "p90", "p99", "max")
    }
    compared = "p99"

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
            self.row_of(load, exhibit, turns)
            for (load, exhibit), turns in sorted(self.turns.items(), key=lambda item: item[0][0])
        ]

    def row_of(
        self, load: float, exhibit: str, turns: Sequence[tuple[float, list[Sample]]]
    ) -> LatencyRow:
        rounds = [list(chain(*(one.latencies for one in samples))) for _, samples in turns]
        waited = [list(chain(*(uncorrected(one) for one in samples))) for _, samples in turns]
        return LatencyRow(
            server=self.testbed.column,
            exhibit=exhibit,
            connections=self.plan.usual,
            load=load,
            rate=spread([rate for rate, _ in turns]),
            latency=figures.latency(rounds),
            uncorrected=figures.latency(waited),
            histogram=encoded(chain(*rounds)),
            uncorrected_histogram=encoded(chain(*waited)),
            errors=errors_in([sample for _, samples in turns for sample in samples]),
        )

    @staticmethod
    def title(row: LatencyRow) -> str:
        return f"at {row.load:.0%} of its own maximum, on {row.server}"

    @classmethod
    def charts(cls, rows: Sequence[LatencyRow]) -> Iterator[Curves]:
        for load, group in grouped(rows, lambda row: row.load):
            yield Curves(
                f"Latency at {load:.0%} of its own maximum",
                "How long the slowest replies take when requests come at a steady rate that the "
                "exhibit can serve; lower and flatter is better. Solid: counted from when each was "
                "due. Dashed: not corrected for coordinated omission, as by a client that sends no "
                "request before it has the last reply. What lies between the two is what such a "
                "client hides.",
                [
                    Curve(
                        row.exhibit,
                        list(points(row.histogram)),
                        list(points(row.uncorrected_histogram)),
                        f"{row.exhibit}: p50 {milliseconds(row.latency, 'p50')} ms, "
                        f"p99 {milliseconds(row.latency, 'p99')} ms, "
                        f"not corrected {milliseconds(row.uncorrected, 'p99')} ms",
                    )
                    for row in group
                    if row.latency
                ],
            )
