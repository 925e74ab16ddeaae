"""``connections``: what idle clients cost a new server, and what they leave behind."""

from asyncio import gather
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import ClassVar

import psutil

from routing.topics import MOST_CONSUMERS
from sandbox.bench.client import Listener, connect, disconnect, listen
from sandbox.bench.cores import connections_at_most
from sandbox.bench.exhibits import BY_ID, Exhibit, rotated, without_doubles
from sandbox.bench.experiment import Experiment, Figure, Row, Step
from sandbox.bench.load import first_reply, request
from sandbox.bench.output.charts import Bar, Bars
from sandbox.bench.output.table import SPREAD, Column, low_high
from sandbox.bench.plan import SMALL
from sandbox.bench.spread import Spread, spread
from sandbox.bench.testbed import idle, started
from sandbox.processes.servers import VARIANTS

WITH_COMPRESSION = " with compression"
COMPRESSING = "-deflate"
"""After a server's name: its variant that grants compression, if there is one."""


class ConnectionsRow(Row, frozen=True, kw_only=True):
    """``connections``: what open connections cost over which nothing is sent."""

    compression: bool = False
    """Whether the clients offered to compress messages, as browsers do."""
    asked: int
    opened: int
    per_second: Spread
    kib_each: Spread
    threads_each: Spread
    kib_left: Spread
    """What the process holds more than before the first, when all are closed."""

    def opened_of_asked(self) -> str:
        return f"{self.opened:,}" + ("" if self.opened == self.asked else f" of {self.asked:,}")


@dataclass(frozen=True, slots=True)
class Wave:
    """Connections that were opened and kept open."""

    opened: int
    per_second: float
    kib_each: float
    threads_each: float


class Connections(Experiment[ConnectionsRow]):
    """Each round starts a server; the numbers of connections are reached one after another."""

    row = ConnectionsRow
    takes_devices = True
    turns: dict[tuple[str, bool, int], list[tuple[Wave, float]]]
    """By exhibit, whether clients offer compression, and connections asked."""
    columns = (
        Column("open", lambda row: row.opened_of_asked()),
        Column("connects a second", lambda row: f"{row.per_second.median:,.0f}"),
        Column("KiB each", lambda row: f"{row.kib_each.median:.1f}"),
        Column(SPREAD, lambda row: low_high(row.kib_each, ".1f")),
        Column("threads each", lambda row: f"{row.threads_each.median:.2f}"),
        Column("KiB left after", lambda row: f"{row.kib_left.median:,.0f}"),
    )

    figures: ClassVar = {
        "memory": Figure("KiB for an idle connection", lambda row: row.kib_each),
        "threads": Figure("threads for an idle connection", lambda row: row.threads_each),
        "connects": Figure("connections opened a second", lambda row: row.per_second),
    }
    compared = "memory"

    ROUNDS: ClassVar[int] = 3
    """Memory varies little, and each round starts a server."""

    @property
    def exhibits(self) -> list[Exhibit]:
        """Those of the testbed, with rooms or without: they are all idle."""
        return self.testbed.exhibits

    def steps(self) -> Iterator[Step]:
        # Over HTTP there is no client without a request, but for event streams.
        lasting = [one for one in self.exhibits if one.scheme != "http" or one.is_stream]
        exhibits = without_doubles(lasting, with_codec=False)
        turns = [(exhibit, False) for exhibit in exhibits]
        if self.testbed.server + COMPRESSING in VARIANTS:
            # What compression costs is the server's own affair, whatever the consumer.
            turns += [(exhibit, True) for exhibit in exhibits if exhibit.is_baseline]
        for number in range(min(self.plan.rounds, self.ROUNDS)):
            for exhibit, compression in rotated(turns, number):
                yield Step(
                    f"connections: {exhibit.id}" + (WITH_COMPRESSION if compression else ""),
                    exhibit.id,
                    4 + self.plan.idle[-1] / 500,
                    partial(self.turn, exhibit, compression=compression),
                )

    def asked(self, exhibit: Exhibit) -> list[int]:
        """List how many connections are reached; devices beyond the limit have no consumer."""
        most = MOST_CONSUMERS if exhibit.is_device else self.plan.idle[-1]
        return sorted({min(count, most) for count in self.plan.idle})

    async def turn(self, exhibit: Exhibit, *, compression: bool) -> None:
        server = self.testbed.server + (COMPRESSING if compression else "")
        with started(server, exhibit.application, venv=self.testbed.venv) as running:
            url = f"{exhibit.scheme}://127.0.0.1:{running.port}{exhibit.path}"
            warm = await _opened(exhibit, url, 1, asks=True)
            process = psutil.Process(running.process.pid)
            await idle(process)
            memory, threads = _memory(process), process.num_threads()
            connections: list[Listener] = []
            waves = []
            for asked in self.asked(exhibit):
                began, already = perf_counter(), len(connections)
                missing = min(asked, connections_at_most()) - already
                # Until a device has asked, only the broker knows of it.
                asks = exhibit.is_device
                more = await _opened(exhibit, url, missing, asks=asks, compression=compression)
                took = perf_counter() - began
                connections += more
                await idle(process)
                opened = len(connections)
                waves.append(
                    Wave(
                        opened,
                        len(more) / took,
                        (_memory(process) - memory) / (opened or 1),
                        (process.num_threads() - threads) / (opened or 1),
                    )
                )
            await disconnect(connections)
            await idle(process)
            left = _memory(process) - memory
            await disconnect(warm)
        for asked, wave in zip(self.asked(exhibit), waves, strict=True):
            self.turns[exhibit.id, compression, asked].append((wave, left))

    def rows(self) -> list[ConnectionsRow]:
        return [
            ConnectionsRow(
                server=self.testbed.column,
                exhibit=exhibit,
                compression=compression,
                asked=asked,
                opened=min(wave.opened for wave, _ in turns),
                per_second=spread([wave.per_second for wave, _ in turns]),
                kib_each=spread([wave.kib_each for wave, _ in turns]),
                threads_each=spread([wave.threads_each for wave, _ in turns]),
                kib_left=spread([left for _, left in turns]),
            )
            for (exhibit, compression, asked), turns in sorted(
                self.turns.items(), key=lambda item: item[0][1]
            )
        ]

    def warnings(self) -> Iterator[str]:
        limit, largest = connections_at_most(), self.plan.idle[-1]
        if self.turns and largest > limit:
            yield f"The limit of open files allows {limit} connections, not {largest}."

    @staticmethod
    def title(row: ConnectionsRow) -> str:
        how = WITH_COMPRESSION if row.compression else ""
        return f"idle {_clients(row)} on {row.server}{how}, and what is left when they are closed"

    @classmethod
    def where(cls, row: ConnectionsRow) -> str:
        return f"{row.opened:,} idle {_clients(row)} on {row.server}"

    @classmethod
    def charts(cls, rows: Sequence[ConnectionsRow]) -> Iterator[Bars]:
        largest = max(row.asked for row in rows)
        yield Bars(
            f"Memory for each of {largest:,} idle connections",
            "What a connection over which nothing is sent costs the server, in KiB; where it has "
            "a thread of its own, that is the larger part. The thin line spans the single rounds.",
            [
                Bar(
                    row.exhibit + (WITH_COMPRESSION if row.compression else ""),
                    row.kib_each.median,
                    f"{row.kib_each.median:.1f} KiB",
                    f"{row.opened:,} opened, {row.per_second.median:,.0f} a second, "
                    f"{row.threads_each.median:.2f} threads each, "
                    f"{row.kib_left.median:,.0f} KiB left when all were closed",
                    row.kib_each,
                )
                for row in rows
                if row.asked == largest
            ],
        )


async def _opened(
    exhibit: Exhibit, url: str, count: int, *, asks: bool, compression: bool = False
) -> list[Listener]:
    """Open so many connections, or as many as possible, over which each asks once if it ``asks``.

    An event stream has been answered once it is open.
    """
    if exhibit.is_stream:
        return (await listen(url, count))[0]
    connections, _ = await connect(url, count, compression=compression)
    if asks:
        await gather(*(first_reply(one, request(SMALL)) for one in connections))
    return [*connections]


def _clients(row: ConnectionsRow) -> str:
    exhibit = BY_ID[row.exhibit]
    if exhibit.is_stream:
        return "event streams"
    return "devices" if exhibit.is_device else "WebSockets"


def _memory(process: psutil.Process) -> float:
    """Memory of a server and its workers, in KiB."""
    processes = (process, *process.children(recursive=True))
    return sum(one.memory_info().rss for one in processes) / 1024
