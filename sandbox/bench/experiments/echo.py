"""``echo``: the maximum of each exhibit, with one request in flight on each connection."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from msgspec import Struct

from sandbox.bench.exhibits import BY_ID, Exhibit, rotated, without_doubles
from sandbox.bench.experiment import (
    Experiment,
    Figure,
    Row,
    Step,
    errors_in,
    grouped,
    latency_of,
    shares,
)
from sandbox.bench.load import Sample, request
from sandbox.bench.output.charts import Bar, Bars
from sandbox.bench.output.table import Column, latency_columns, many, share_columns, size
from sandbox.bench.spread import Latency, Spread, spread
from sandbox.bench.testbed import Testbed

NEAR_THE_CEILING = 2 / 3


class Round(Struct, frozen=True):
    """One turn of an exhibit, and of the baseline in the same seconds."""

    per_second: float
    baseline_per_second: float


class EchoRow(Row, frozen=True, kw_only=True):
    """``echo``: round trips a second with one request in flight on each connection."""

    connections: int
    payload_bytes: int
    per_second: Spread
    share_of_baseline: Spread
    """Of each single round: the two had their turns in the same seconds."""
    cpu_microseconds: Spread
    """Of the server's processor time, for one round trip."""
    latency: Latency
    rounds: list[Round]


class Echo(Experiment[EchoRow]):
    """Closed loop; in every turn an exhibit and the baseline take slices one after the other."""

    row = EchoRow
    takes_devices = True
    turns: dict[tuple[int, int, str], list[tuple[Sample, Sample]]]
    columns = (
        Column("per second", lambda row: f"{row.per_second.median:,.0f}"),
        *share_columns("share of baseline", lambda row: row.share_of_baseline),
        *latency_columns("p50", "p99"),
        Column("CPU µs", lambda row: f"{row.cpu_microseconds.median:.0f}"),
    )
    figures: ClassVar = {
        "share": Figure("share of the baseline's round trips", lambda row: row.share_of_baseline),
        "per-second": Figure("round trips a second", lambda row: row.per_second),
        "cpu": Figure("microseconds of the server's processor", lambda row: row.cpu_microseconds),
    }
    compared = "share"

    SLICE: ClassVar[float] = 0.1
    """About as many seconds, before it is the other's turn again; longer from 100 connections on,
    for each is to have more than one reply in it."""

    def cells(self) -> list[tuple[int, int]]:
        """Connections and bytes: all of one with the usual of the other, not each with each."""
        return [
            *((connections, self.plan.usual_size) for connections in self.plan.connections),
            *(
                (self.plan.usual, payload)
                for payload in self.plan.payloads
                if payload != self.plan.usual_size
            ),
        ]

    def is_usual(self, connections: int, payload: int) -> bool:
        return (connections, payload) == (self.plan.usual, self.plan.usual_size)

    def seconds(self, exhibit: Exhibit, connections: int, payload: int) -> float:
        """Many connections need a whole turn, for each of them waits for many others.

        So does HTTP: each request leaves garbage, and Daphne stops twice a second to collect it.
        """
        is_many = payload == self.plan.usual_size and connections >= self.plan.usual
        is_long = is_many or exhibit.scheme == "http"
        return self.plan.seconds if is_long else self.plan.short_seconds

    def steps(self) -> Iterator[Step]:
        for connections, payload in self.cells():
            exhibits = self.exhibits
            if not self.is_usual(connections, payload):
                exhibits = without_doubles(exhibits)
            for number in range(self.plan.rounds):
                for exhibit in rotated(exhibits, number):
                    seconds = self.seconds(exhibit, connections, payload) * 4 / 3
                    yield Step(
                        f"echo: {exhibit.id}, {connections} connections, {payload} bytes",
                        exhibit.id,
                        2 * (seconds + 0.05 + connections / 700),
                        partial(self.turn, exhibit, connections, payload),
                    )

    async def turn(self, exhibit: Exhibit, connections: int, payload: int) -> None:
        seconds = self.seconds(exhibit, connections, payload)
        slices = max(round(seconds / self.SLICE / max(connections / 100, 1)), 2)
        baseline, own = await self.testbed.side_by_side(
            [self.testbed.baseline(exhibit), exhibit],
            connections,
            request(payload),
            seconds,
            slices=slices,
        )
        self.turns[connections, payload, exhibit.id].append((own, baseline))

    def rows(self) -> list[EchoRow]:
        rows = []
        for (connections, payload, exhibit), turns in self.turns.items():
            rounds = [Round(own.per_second, baseline.per_second) for own, baseline in turns]
            samples = [own for own, _ in turns]
            rows.append(
                EchoRow(
                    server=self.testbed.column,
                    exhibit=exhibit,
                    connections=connections,
                    payload_bytes=payload,
                    per_second=spread([one.per_second for one in rounds]),
                    share_of_baseline=shares(
                        [(one.per_second, one.baseline_per_second) for one in rounds]
                    ),
                    cpu_microseconds=spread([_cpu_microseconds(one) for one in samples]),
                    latency=latency_of(samples),
                    errors=errors_in(samples),
                    rounds=rounds,
                )
            )
        return rows

    def notes(self) -> Iterator[str]:
        exhibits = self.exhibits
        kept = without_doubles(exhibits)
        left_out = [exhibit.id for exhibit in exhibits if exhibit not in kept]
        if left_out and len(self.cells()) > 1:
            yield (
                "Echo measures these at the usual load only, because each costs what another "
                f"exhibit here costs: {', '.join(left_out)}."
            )

    def warnings(self) -> Iterator[str]:
        """Name the figures that may be the client's rather than the server's."""
        return near_the_ceiling(
            self.testbed,
            {
                f"{row.exhibit} on {row.server} ({many(row.connections, 'connection')})": row
                for row in self.rows()
                if row.payload_bytes == self.plan.usual_size
            },
        )

    @staticmethod
    def title(row: EchoRow) -> str:
        return (
            f"the maximum of each exhibit on {row.server}, {many(row.connections, 'connection')}, "
            f"{size(row.payload_bytes)}"
        )

    @classmethod
    def charts(cls, rows: Sequence[EchoRow]) -> Iterator[Bars]:
        for (connections, payload), group in grouped(
            rows, lambda row: (row.connections, row.payload_bytes)
        ):
            yield Bars(
                "Throughput as a share of the baseline: "
                f"{many(connections, 'connection')}, {size(payload)}",
                f"Each exhibit as a share of what {_baseline(group)}, with one request in flight "
                "on each connection. The bar is the median, the thin line spans the single "
                "rounds; that of the baseline against itself is the noise.",
                [
                    Bar(
                        row.exhibit,
                        row.share_of_baseline.median,
                        f"{row.share_of_baseline.median:.2f}",
                        f"{row.share_of_baseline.low:.2f} to {row.share_of_baseline.high:.2f}; "
                        f"{row.per_second.median:,.0f} round trips a second, "
                        f"{row.cpu_microseconds.median:.0f} µs of the server's processor each",
                        row.share_of_baseline,
                    )
                    for row in group
                ],
            )


def _baseline(rows: Sequence[EchoRow]) -> str:
    if BY_ID[rows[0].exhibit].is_device:
        return "two bare clients do through this broker"
    return "a bare ASGI callable does on this server"


def near_the_ceiling(testbed: Testbed, named: Mapping[str, Any]) -> Iterator[str]:
    """Name the rows, given by what to call each, that came near what the client itself can do."""
    for scheme, ceiling in testbed.ceilings.items():
        near = [
            name
            for name, row in named.items()
            if BY_ID[row.exhibit].scheme == scheme
            and row.per_second.median > ceiling * NEAR_THE_CEILING
        ]
        if near:
            yield (
                f"The client does {ceiling:,.0f} a second at most over {scheme}. These came near "
                f"that, and may be faster than measured: {', '.join(near)}."
            )


def _cpu_microseconds(sample: Sample) -> float:
    return sample.processor_seconds / (len(sample.latencies) or 1) * 1e6
