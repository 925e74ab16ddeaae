"""The report in a terminal, and the progress of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

import rich.progress
import rich.table
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from sandbox.bench.experiments import experiments
from sandbox.bench.output.table import BAR, BAR_WIDTH, SPREAD, Table, many
from sandbox.bench.report import Report

NAME_WIDTH = len("tutorial/async-json-websocket")
SPREAD_WIDTH = 9


class ProgressBar:
    """Shows the time left. It draws between turns only: the client needs its core for itself."""

    def __init__(self, console: Console) -> None:
        self._progress = rich.progress.Progress(
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

    def begin(self, title: str) -> None:
        self._progress.update(self._task, description=title, refresh=True)

    def end(self, seconds: float) -> None:
        self._progress.advance(self._task, seconds)


def show(report: Report, console: Console) -> None:
    for name, experiment in experiments():
        rows = report.results.get(name, ())
        for table in (*experiment.tables(rows), *experiment.comparisons(rows)):
            console.print()
            console.print(_drawn(name, table))
    for refused in report.refused:
        console.print()
        console.print(
            Text(f"{refused.exhibit} on {refused.server} was not measured: ", style="bold red")
            + Text(refused.reason)
        )
    for failure in report.failures:
        console.print()
        console.print(Text(failure, style="bold red"))
    for warning in report.warnings:
        console.print()
        console.print(Text(warning, style="yellow"))
    console.print()
    for note in report.notes:
        console.print(Text(note))
    console.print(
        Text(
            f"{many(report.rounds, 'round')}, {report.seconds_each:g} s a turn, {report.cores}, "
            f"on {', '.join(f'{server.name} {server.version}' for server in report.servers)}, "
            f"{report.in_front}; in {report.seconds:.0f} s. "
            "Each low-high is the range of the single rounds. A difference is stated only where "
            "two ranges do not overlap."
        )
    )
    if not report.is_complete:
        console.print(Text("Interrupted: this is what was measured until then.", style="bold"))


def _drawn(experiment: str, table: Table) -> rich.table.Table:
    drawn = rich.table.Table(
        title=f"{experiment}: {table.title}", title_justify="left", title_style="bold", box=None
    )
    drawn.padding, drawn.pad_edge = (0, 1, 0, 0), False  # all columns fit in 80
    drawn.add_column("", width=NAME_WIDTH)
    for heading in table.headings:
        if heading == BAR:
            drawn.add_column("", width=BAR_WIDTH)
        else:
            width = SPREAD_WIDTH if heading == SPREAD else None
            # Broken by hand: where a table is too wide, rich would cut figures before headings.
            words = heading.replace(" ", "\n").replace("/", "/\n")
            drawn.add_column(words, justify="right", vertical="bottom", min_width=width)
    for row in table.rows:
        # Errors are rare and spoil every figure of the row: they are shown next to the name.
        errors = Text(f" {many(row.errors, 'error')}", "bold red") if row.errors else Text()
        drawn.add_row(Text(row.exhibit) + errors, *row.cells)
    return drawn
