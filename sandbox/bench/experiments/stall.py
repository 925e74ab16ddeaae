"""``stall``: how the exhibits of a process answer while one sync exhibit blocks for a second."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from math import ceil
from typing import ClassVar

from rich.text import Text

from sandbox.bench.client import Connection
from sandbox.bench.exhibits import Exhibit, rotated, without_doubles
from sandbox.bench.experiment import Experiment, Figure, Row, Step, errors_in, grouped
from sandbox.bench.load import REPLY_SECONDS, Sample, first_reply, open_loop, request
from sandbox.bench.output.charts import Strip, Strips
from sandbox.bench.output.table import LONG_MS, Table, TableRow
from sandbox.bench.plan import SMALL
from sandbox.bench.spread import Spread, percentiles, spread

TRACE_SECONDS = 0.05


class StallRow(Row, frozen=True, kw_only=True):
    """``stall``: how long the replies of an exhibit take while one in the same process blocks."""

    blocker: str
    before_p99: Spread
    """Milliseconds, in the time before."""
    added_p99: Spread
    """Milliseconds, over that of the time before in the same round; 30,000 without any reply."""
    trace: list[float]
    """Of the first round: milliseconds of the slowest request due in each TRACE_SECONDS."""


class Stall(Experiment[StallRow]):
    """Open loop, with one connection to each exhibit of the process, and one more that blocks."""

    row = StallRow
    turns: dict[tuple[str, str], list[Sample]]
    columns = ()

    figures: ClassVar = {
        "added-p99": Figure(
            "milliseconds added to its p99 while another one blocks", lambda row: row.added_p99
        )
    }

    BEFORE: ClassVar[float] = 0.8
    BLOCKED: ClassVar[float] = 1.0
    AFTER: ClassVar[float] = 0.2
    PER_SECOND: ClassVar[int] = 50
    """Requests to each exhibit: few enough that none of them is busy."""

    def steps(self) -> Iterator[Step]:
        blocking = [one for one in self.exhibits if one.is_sync and one.waits]
        for number in range(self.plan.rounds):
            for exhibit in rotated(without_doubles(blocking, with_codec=False), number):
                yield Step(
                    f"stall: {exhibit.id} blocks",
                    exhibit.id,
                    self.BEFORE + self.BLOCKED + self.AFTER + 0.2,
                    partial(self.turn, exhibit),
                )

    async def turn(self, blocker: Exhibit) -> None:
        payload = request(SMALL)
        exhibits = [one for one in self.exhibits if one.application == blocker.application]
        async with AsyncExitStack() as stack:
            connections = [
                (await stack.enter_async_context(self.testbed.connections(exhibit, 1)))[0]
                for exhibit in exhibits
            ]
            echoes = [await first_reply(connection, payload) for connection in connections]
            (blocked,) = await stack.enter_async_context(self.testbed.connections(blocker, 1))
            blocking = asyncio.create_task(self.block(blocked))
            samples = await open_loop(
                connections,
                payload,
                echoes,
                self.BEFORE + self.BLOCKED + self.AFTER,
                self.PER_SECOND * len(connections),
            )
            await blocking
        for exhibit, sample in zip(exhibits, samples, strict=True):
            self.turns[blocker.id, exhibit.id].append(sample)

    async def block(self, connection: Connection) -> None:
        await asyncio.sleep(self.BEFORE)
        await first_reply(connection, request(SMALL, delay=self.BLOCKED))

    def rows(self) -> list[StallRow]:
        rows = []
        for (blocker, exhibit), samples in self.turns.items():
            # What is due right before the block waits for it too.
            split = self.BEFORE - TRACE_SECONDS
            before = [self.p99_between(sample, 0, split, none=0.0) for sample in samples]
            # What is never answered has waited for as long as a reply is waited for.
            during = [
                self.p99_between(sample, split, self.BEFORE + self.BLOCKED, none=REPLY_SECONDS)
                for sample in samples
            ]
            rows.append(
                StallRow(
                    server=self.testbed.column,
                    exhibit=exhibit,
                    blocker=blocker,
                    before_p99=spread(before),
                    added_p99=spread(
                        [after - first for first, after in zip(before, during, strict=True)]
                    ),
                    trace=self.trace(samples[0]),
                    errors=errors_in(samples),
                )
            )
        return rows

    @staticmethod
    def trace(sample: Sample) -> list[float]:
        slowest = [0.0] * ceil(sample.seconds / TRACE_SECONDS)
        for due, latency in zip(sample.due, sample.latencies, strict=True):
            place = int(due / TRACE_SECONDS)
            slowest[place] = max(slowest[place], latency * 1000)
        return slowest

    @staticmethod
    def p99_between(sample: Sample, began: float, ended: float, *, none: float) -> float:
        """Look at the requests that were due then: milliseconds; ``none`` are seconds."""
        replies = zip(sample.due, sample.latencies, strict=True)
        latencies = [latency for due, latency in replies if began <= due < ended]
        return percentiles(latencies or [none])["p99"]

    @staticmethod
    def title(row: StallRow) -> str:
        return (
            "milliseconds added to an exhibit's p99 (median, and lowest to highest round) while "
            f"another one blocks for a second, on {row.server}"
        )

    @classmethod
    def where(cls, row: StallRow) -> str:
        return f"while {row.blocker} blocks for a second, on {row.server}"

    @classmethod
    def tables(cls, rows: Sequence[StallRow]) -> Iterator[Table]:
        """Set a column for each that blocks."""
        for title, group in grouped(rows, cls.title):
            blockers = list(dict.fromkeys(row.blocker for row in group))
            found = {(row.exhibit, row.blocker): row for row in group}
            table_rows = []
            for exhibit in dict.fromkeys(row.exhibit for row in group):
                own = [found[exhibit, blocker] for blocker in blockers]
                errors = sum(row.errors for row in own)
                cells = [_added(row.added_p99) for row in own]
                table_rows.append(TableRow(exhibit, errors, cells))
            yield Table(title, blockers, table_rows)

    @classmethod
    def charts(cls, rows: Sequence[StallRow]) -> Iterator[Strips]:
        yield Strips(
            "Stall: how long replies take while one exhibit blocks for a second",
            "Each row is an exhibit, each cell its slowest reply in a twentieth of a second of "
            "the first round; a wedge means that it waited. At the end of the row: what "
            "the blocked second adds to its p99, the median of all rounds.",
            [
                (
                    f"{blocker} blocks",
                    [
                        Strip(
                            row.exhibit,
                            f"p99 {round(row.added_p99.median):+} ms",
                            f"{round(row.added_p99.low):+} to {round(row.added_p99.high):+} ms "
                            f"in single rounds; p99 before: {row.before_p99.median:.1f} ms",
                            row.trace,
                        )
                        for row in group
                    ],
                )
                for blocker, group in grouped(rows, lambda row: row.blocker)
            ],
        )


def _added(spread: Spread) -> Text:
    words = f"{round(spread.median)} ({round(spread.low)}..{round(spread.high)})"
    return Text(words, "bold red" if spread.median > LONG_MS else "")
