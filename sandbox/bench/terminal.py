"""The report in a terminal, and how far a run is."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby

from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from sandbox.bench.report import Latency, Report, Spread, left_out

BAR_WIDTH = 6
NAME_WIDTH = len("tutorial/async-json-websocket")
SPREAD_WIDTH = 9
ALARMING_MS = 100
BAR, SPREAD = "bar", "low-high"
"""Columns that are as wide as they are."""
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
    if why := left_out(report):
        console.print(Text(why))
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
            ("per second", BAR, "share of baseline", SPREAD, "p50 ms", "p99 ms", "CPU µs"),
        )
        for row in rows:
            table.add_row(
                _name(row.exhibit, row.errors),
                f"{row.per_second.median:,.0f}",
                *_share(row.share_of_baseline),
                _ms(row.latency, "p50"),
                _ms(row.latency, "p99"),
                f"{row.cpu_microseconds:.0f}",
            )
        yield table


def _latency(report: Report) -> Iterator[Table]:
    for (server, load), rows in groupby(report.latency, lambda row: (row.server, row.load)):
        table = _table(
            f"latency: at {load:.0%} of its own most, on {server}",
            ("requests a second", "p50 ms", "p99 ms", SPREAD, "max ms"),
        )
        for row in rows:
            table.add_row(
                _name(row.exhibit, row.errors),
                f"{row.rate:,.0f}",
                _ms(row.latency, "p50"),
                _ms(row.latency, "p99"),
                f"{row.p99.low:.1f}-{row.p99.high:.1f}",
                _ms(row.latency, "max"),
            )
        yield table


def _delay(report: Report) -> Iterator[Table]:
    for (server, connections, delay), rows in groupby(
        report.delay, lambda row: (row.server, row.connections, row.delay)
    ):
        table = _table(
            f"delay: {_many(connections, 'connection')} whose every request waits "
            f"{delay * 1000:.0f} ms, as a share of what waiting allows, on {server}",
            (BAR, "share of ideal", SPREAD, "p50 ms", "p99 ms"),
        )
        for row in rows:
            table.add_row(
                _name(row.exhibit, row.errors),
                *_share(row.share_of_ideal),
                _ms(row.latency, "p50"),
                _ms(row.latency, "p99"),
            )
        yield table


def _stall(report: Report) -> Iterator[Table]:
    for server, rows in groupby(report.stall, lambda row: row.server):
        added = {(row.neighbour, row.blocker): row.added_p99 for row in rows}
        blockers = list(dict.fromkeys(blocker for _, blocker in added))
        table = _table(
            "stall: milliseconds added to a neighbour's p99, median and worst round, while one "
            f"blocks for a second, on {server}",
            blockers,
        )
        for neighbour in dict.fromkeys(neighbour for neighbour, _ in added):
            cells = [added[neighbour, blocker] for blocker in blockers]
            table.add_row(
                neighbour,
                *(
                    Text(
                        f"{round(cell.median)} ({round(cell.high)})",
                        "bold red" if cell.median > ALARMING_MS else "",
                    )
                    for cell in cells
                ),
            )
        yield table


def _connections(report: Report) -> Iterator[Table]:
    for server, rows in groupby(report.connections, lambda row: row.server):
        table = _table(
            f"connections: idle sockets on {server}, and what is left after they left",
            ("open", "connects a second", "KiB each", "threads each", "KiB left after"),
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
            ("members", "deliveries a second", SPREAD, "p50 ms", "p99 ms"),
        )
        for row in rows:
            table.add_row(
                _name(row.exhibit, row.errors),
                f"{row.members}",
                f"{row.deliveries_per_second.median:,.0f}",
                f"{row.deliveries_per_second.low:,.0f}-{row.deliveries_per_second.high:,.0f}",
                _ms(row.latency, "p50"),
                _ms(row.latency, "p99"),
            )
        yield table


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    table.padding, table.pad_edge = (0, 1, 0, 0), False  # all columns fit in 80
    table.add_column("", width=NAME_WIDTH)
    for column in columns:
        if column == BAR:
            table.add_column("", width=BAR_WIDTH)
        else:
            width = SPREAD_WIDTH if column == SPREAD else None
            # Broken by hand: where a table is too wide, rich would cut figures before headings.
            heading = column.replace(" ", "\n").replace("/", "/\n")
            table.add_column(heading, justify="right", vertical="bottom", min_width=width)
    return table


def _name(exhibit: str, errors: int) -> Text:
    """Errors are rare and spoil every figure of the row: they stand beside the name."""
    told = Text(f" {_many(errors, 'error')}", "bold red") if errors else Text()
    return Text(exhibit) + told


def _share(share: Spread) -> tuple[RenderableType, str, str]:
    return (
        Bar(1.0, 0.0, min(share.median, 1.0), width=BAR_WIDTH),
        f"{share.median:.2f}",
        f"{share.low:.2f}-{share.high:.2f}",
    )


def _ms(latency: Latency, percentile: str) -> str:
    if not latency:
        return "-"
    milliseconds = latency[percentile]
    return f"{milliseconds:.3g}" if milliseconds < ALARMING_MS else f"{milliseconds:,.0f}"


def _size(size: int) -> str:
    return f"{size / KIB:g} KiB" if size % KIB == 0 else f"{size} bytes"


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"
