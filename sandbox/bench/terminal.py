"""The report in a terminal, and how far a run is."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby

from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from sandbox.bench.report import Latency, Report, Spread

BAR_WIDTH = 16
ALARMING_MS = 100
KIB = 1024


class Watching:
    """Shows the time left. It draws between the turns only: the client's core is not its own."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            auto_refresh=False,
        )
        self._task = self._progress.add_task("", total=0)

    @contextmanager
    def shown(self) -> Iterator[None]:
        with self._progress:
            yield

    def expect(self, seconds: float) -> None:
        total = self._progress.tasks[0].total or 0
        self._progress.update(self._task, total=total + seconds)

    def now(self, says: str) -> None:
        self._progress.update(self._task, description=says, refresh=True)

    def done(self, seconds: float) -> None:
        self._progress.advance(self._task, seconds)


def show(report: Report, console: Console) -> None:
    for table in _tables(report):
        console.print()
        console.print(table)
    for refused in report.refused:
        console.print()
        console.print(
            Text(f"{refused.exhibit} on {refused.server} was not measured: ", style="bold red")
            + Text(refused.reason)
        )
    for warning in report.warnings:
        console.print()
        console.print(Text(warning, style="yellow"))
    console.print()
    console.print(
        Text(
            f"{_many(report.rounds, 'round')}, {report.seconds_each:g} s a turn, {report.cores}, "
            f"on {', '.join(f'{server.name} {server.version}' for server in report.servers)}; "
            f"in {report.seconds:.0f} s."
        )
    )
    if not report.is_complete:
        console.print(Text("Interrupted: this is what was complete.", style="bold"))


def _tables(report: Report) -> Iterator[Table]:
    for table in (_echo, _latency, _delay, _stall, _connections, _fanout):
        yield from table(report)


def _echo(report: Report) -> Iterator[Table]:
    for (server, connections, size), rows in groupby(
        report.echo, lambda row: (row.server, row.connections, row.payload_bytes)
    ):
        table = _table(
            f"echo: the most that each does on {server}, "
            f"{_many(connections, 'connection')}, {_size(size)}",
            ("round trips/s", "share of the floor", "", "p50 ms", "p99 ms", "CPU µs", "errors"),
        )
        for row in rows:
            table.add_row(
                row.exhibit,
                f"{row.per_second.median:,.0f}",
                _bar(row.share_of_floor.median),
                _spread(row.share_of_floor, ".2f"),
                _ms(row.latency, "p50"),
                _ms(row.latency, "p99"),
                f"{row.cpu_microseconds:.0f}",
                _errors(row.errors),
            )
        yield table


def _latency(report: Report) -> Iterator[Table]:
    for (server, load), rows in groupby(report.latency, lambda row: (row.server, row.load)):
        table = _table(
            f"latency: at {load:.0%} of its own most, on {server}",
            ("requests/s", "p50 ms", "p99 ms", "p99 of each round", "max ms", "errors"),
        )
        for row in rows:
            table.add_row(
                row.exhibit,
                f"{row.rate:,.0f}",
                _ms(row.latency, "p50"),
                _ms(row.latency, "p99"),
                _spread(row.p99, ".1f"),
                _ms(row.latency, "max"),
                _errors(row.errors),
            )
        yield table


def _delay(report: Report) -> Iterator[Table]:
    for (server, connections, delay), rows in groupby(
        report.delay, lambda row: (row.server, row.connections, row.delay)
    ):
        table = _table(
            f"delay: {_many(connections, 'connection')} whose every request waits "
            f"{delay * 1000:.0f} ms, on {server}",
            ("share of what waiting allows", "", "p50 ms", "p99 ms", "errors"),
        )
        for row in rows:
            table.add_row(
                row.exhibit,
                _bar(row.share_of_ideal.median),
                _spread(row.share_of_ideal, ".2f"),
                _ms(row.latency, "p50"),
                _ms(row.latency, "p99"),
                _errors(row.errors),
            )
        yield table


def _stall(report: Report) -> Iterator[Table]:
    for server, rows in groupby(report.stall, lambda row: row.server):
        added = {(row.neighbour, row.blocker): row.added_p99 for row in rows}
        blockers = list(dict.fromkeys(blocker for _, blocker in added))
        table = _table(
            "stall: milliseconds added to a neighbour's p99 while one blocks for a second, "
            f"on {server}",
            [f"{blocker} blocks" for blocker in blockers],
        )
        for neighbour in dict.fromkeys(neighbour for neighbour, _ in added):
            cells = [added[neighbour, blocker] for blocker in blockers]
            table.add_row(
                neighbour,
                *(
                    Text(_spread(cell, ".0f"), "bold red" if cell.median > ALARMING_MS else "")
                    for cell in cells
                ),
            )
        yield table


def _connections(report: Report) -> Iterator[Table]:
    for server, rows in groupby(report.connections, lambda row: row.server):
        table = _table(
            f"connections: idle sockets on {server}",
            ("open", "connects/s", "KiB each", "threads each", "KiB left when all are gone"),
        )
        for row in rows:
            table.add_row(
                row.exhibit,
                f"{row.opened:,}" + ("" if row.opened == row.asked else f" of {row.asked:,}"),
                f"{row.per_second:,.0f}",
                f"{row.kib_each:.1f}",
                f"{row.threads_each:.2f}",
                f"{row.kib_left:,.0f}",
            )
        yield table


def _fanout(report: Report) -> Iterator[Table]:
    for (server, layer, processes), rows in groupby(
        report.fanout, lambda row: (row.server, row.layer, row.processes)
    ):
        table = _table(
            f"fanout: one message to everybody in a room, {layer}, "
            f"{_many(processes, 'process', 'processes')} of {server}",
            ("members", "deliveries/s", "", "p50 ms", "p99 ms", "errors"),
        )
        for row in rows:
            table.add_row(
                row.exhibit,
                f"{row.members}",
                f"{row.deliveries_per_second.median:,.0f}",
                _spread(row.deliveries_per_second, ",.0f"),
                _ms(row.latency, "p50"),
                _ms(row.latency, "p99"),
                _errors(row.errors),
            )
        yield table


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in columns:
        is_bar = column.startswith("share")
        table.add_column(column, justify="left" if is_bar else "right", vertical="bottom")
    return table


def _bar(share: float) -> RenderableType:
    return Bar(1.0, 0.0, min(share, 1.0), width=BAR_WIDTH)


def _spread(spread: Spread, form: str) -> str:
    return f"{spread.median:{form}} ({spread.low:{form}}-{spread.high:{form}})"


def _ms(latency: Latency, percentile: str) -> str:
    return f"{latency[percentile]:.2f}" if latency else "-"


def _errors(count: int) -> Text:
    return Text(f"{count:,}", style="bold red" if count else "dim")


def _size(size: int) -> str:
    return f"{size / KIB:g} KiB" if size % KIB == 0 else f"{size} bytes"


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"
