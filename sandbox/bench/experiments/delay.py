"""``delay``: every request waits, where threads run out and event loops do not."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar

from sandbox.bench.exhibits import Exhibit, rotated, without_doubles
from sandbox.bench.experiment import Experiment, Figure, Row, Step, errors_in, grouped, latency_of
from sandbox.bench.load import Sample, request
from sandbox.bench.output.charts import Bar, Bars
from sandbox.bench.output.table import latency_columns, many, milliseconds, share_columns
from sandbox.bench.plan import SMALL
from sandbox.bench.spread import Latency, Spread, spread


class DelayRow(Row, frozen=True, kw_only=True):
    """``delay``: every request waits, so that only the waiting limits the rate."""

    connections: int
    delay: float
    """Seconds that each request waits."""
    ideal_per_second: float
    share_of_ideal: Spread
    latency: Latency


class Delay(Experiment[DelayRow]):
    """Closed loop."""

    row = DelayRow
    takes_devices = True
    turns: dict[tuple[int, str], list[Sample]]
    columns = (
        *share_columns("share of ideal", lambda row: row.share_of_ideal),
        *latency_columns("p50", "p99"),
    )

    figures: ClassVar = {
        "share-of-ideal": Figure("share of what waiting allows", lambda row: row.share_of_ideal)
    }
    compared = "share-of-ideal"

    SECONDS: ClassVar[float] = 0.05
    ROUNDS: ClassVar[int] = 3
    """What waits varies little."""

    def steps(self) -> Iterator[Step]:
        waiting = [exhibit for exhibit in self.exhibits if exhibit.waits]
        exhibits = without_doubles(waiting, with_codec=False)
        for connections in self.plan.waiting:
            for number in range(min(self.plan.rounds, self.ROUNDS)):
                for exhibit in rotated(exhibits, number):
                    yield Step(
                        f"delay: {exhibit.id}, {connections} connections",
                        exhibit.id,
                        self.turn_seconds() * 4 / 3 + connections / 1500,
                        partial(self.turn, exhibit, connections),
                    )

    def turn_seconds(self) -> float:
        return max(self.plan.short_seconds * 2, 10 * self.SECONDS)  # many wait in step

    async def turn(self, exhibit: Exhibit, connections: int) -> None:
        payload = request(SMALL, delay=self.SECONDS)
        sample = await self.testbed.saturate(exhibit, connections, payload, self.turn_seconds())
        self.turns[connections, exhibit.id].append(sample)

    def rows(self) -> list[DelayRow]:
        rows = []
        for (connections, exhibit), samples in self.turns.items():
            ideal = connections / self.SECONDS
            rows.append(
                DelayRow(
                    server=self.testbed.column,
                    exhibit=exhibit,
                    connections=connections,
                    delay=self.SECONDS,
                    ideal_per_second=ideal,
                    share_of_ideal=spread([sample.per_second / ideal for sample in samples]),
                    latency=latency_of(samples),
                    errors=errors_in(samples),
                )
            )
        return rows

    @staticmethod
    def title(row: DelayRow) -> str:
        return (
            f"{many(row.connections, 'connection')} whose every request waits "
            f"{row.delay * 1000:.0f} ms, as a share of what waiting allows, on {row.server}"
        )

    @classmethod
    def charts(cls, rows: Sequence[DelayRow]) -> Iterator[Bars]:
        for (connections, delay), group in grouped(rows, lambda row: (row.connections, row.delay)):
            yield Bars(
                f"Waiting: {many(connections, 'connection')} whose every request waits "
                f"{delay * 1000:.0f} ms",
                "The waiting alone sets a maximum rate; each bar is the share of it that was "
                "reached. An exhibit that runs out of threads falls behind, one that awaits does "
                "not.",
                [
                    Bar(
                        row.exhibit,
                        row.share_of_ideal.median,
                        f"{row.share_of_ideal.median:.2f}",
                        f"p50 {milliseconds(row.latency, 'p50')} ms",
                        row.share_of_ideal,
                    )
                    for row in group
                ],
            )
