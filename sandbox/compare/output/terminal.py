"""The report in a terminal."""

from collections import Counter
from collections.abc import Mapping

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from consumers.catalogue import Edition
from sandbox.compare.engine import Target, Verdict
from sandbox.compare.output.words import alternatives, in_words, reason, seen_in_words
from sandbox.compare.report import LEGEND, Matrix, Report, ServerRow

STYLES: dict[Verdict, str] = {
    "same": "green",
    "declared": "yellow",
    "differs": "bold red",
    "n/a": "dim",
}
WORDS: dict[Verdict, str] = {**{verdict: verdict for verdict in LEGEND}, "differs": "DIFFERS"}
SIGNS: dict[Verdict, str] = {"same": "=", "declared": "~", "differs": "X", "n/a": "-"}
"""For a terminal that is too narrow for words."""


def show(report: Report, console: Console) -> None:
    matrices = report.matrices()
    unbounded = console.options.update(max_width=1000)
    is_narrow = any(
        console.measure(_table(matrix, WORDS), options=unbounded).maximum > console.width
        for matrix in matrices
    )
    words = SIGNS if is_narrow else WORDS
    console.print(_legend(words))
    for matrix in matrices:
        target = matrix.target
        console.print()
        console.print(Text(f"{matrix.edition.name} on {_target(target)}", style="bold"))
        console.print(matrix.edition.sentence)
        if is_narrow:
            for number, exhibit in enumerate(matrix.exhibits, start=1):
                console.print(f"{number} {exhibit.slug}", highlight=False)
        console.print(_table(matrix, words))
    for target in report.targets[1:]:
        if others := report.other_versions(target):
            console.print()
            console.print(Text(f"What differs in the environment of {_target(target)}", "bold"))
            console.print(", ".join(f"{name} {others[name]}" for name in others), highlight=False)
    for edition, rows in report.server_rows():
        console.print()
        console.print(_servers(edition, rows, report))
    _show_cells(report, console, "declared", "Declared differences")
    _show_cells(report, console, "differs", "Differences")
    _show_not_applicable(report, console)
    _show_changes(report, console)
    console.print()
    console.print(_summary(report))


def _target(target: Target) -> str:
    where = f" with {target.environment}" if target.environment else ""
    return f"{target.server} {target.version}{where}"


def _legend(words: Mapping[Verdict, str]) -> Table:
    legend = Table.grid(padding=(0, 1))
    for verdict, meaning in LEGEND.items():
        legend.add_row(Text(words[verdict], style=STYLES[verdict]), meaning)
    return legend


def _table(matrix: Matrix, words: Mapping[Verdict, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for number, exhibit in enumerate(matrix.exhibits, start=1):
        # Broken at the hyphens, five columns fit into 80.
        heading = exhibit.slug.replace("-", "-\n") if words is WORDS else str(number)
        table.add_column(heading, vertical="bottom", no_wrap=True)
    for group, probes in matrix.groups():
        table.add_row(Text(group, style="bold"))
        for probe in probes:
            verdicts = [cell.verdict for cell in matrix.row(probe)]
            table.add_row(
                f"  {probe.id}",
                *(Text(words[verdict], style=STYLES[verdict]) for verdict in verdicts),
            )
    return table


def _servers(edition: Edition, rows: list[ServerRow], report: Report) -> Group:
    heading = f"{edition.name}: what the servers make of the same consumers"
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for target in report.targets:
        table.add_column(target.name, overflow="fold", ratio=1)
    for row in rows:
        probes = "\n".join(probe.id for probe in row.probes)
        table.add_row(probes, *(Text(alternatives(seen)) for seen in row.seen))
    return Group(Text(heading, style="bold"), table)


def _show_cells(report: Report, console: Console, verdict: Verdict, heading: str) -> None:
    rows = report.cell_rows(verdict)
    if rows:
        console.print()
        console.print(Text(heading, style="bold"))
    for row in rows:
        console.print()
        console.print(Text(f"{row.exhibits} on {row.servers}", style=STYLES[verdict]))
        for label, words in (
            ("probes" if row.probes[1:] else "probe", ", ".join(row.probes)),
            ("contract", "" if row.probes[1:] else in_words(row.cell.expected)),
            ("seen", seen_in_words(row.cell)),
            ("because", reason(row.cell)),
            ("to do", row.cell.difference.cure if row.cell.difference else ""),
            ("see", row.cell.difference.link if row.cell.difference else ""),
        ):
            if words:
                console.print(Padding(Text(f"{label}: {words}"), (0, 0, 0, 2), expand=False))


def _show_not_applicable(report: Report, console: Console) -> None:
    count = Counter(cell.because for cell in report.of("n/a"))
    if count:
        console.print()
        console.print(Text("Not applicable", style="bold"))
        for because, times in count.items():
            console.print(Padding(Text(f"{because} ({times})"), (0, 0, 0, 2), expand=False))


def _show_changes(report: Report, console: Console) -> None:
    if report.changes is None:
        return
    count = ", ".join(f"{number} {kind}" for kind, number in report.changes.count.items())
    console.print()
    console.print(Text(f"Since the result of {report.changes.earlier}: {count}", style="bold"))
    for row in report.change_rows():
        console.print()
        style = "" if row.change.kind == "new" else STYLES["differs"]
        console.print(Text(f"{row.change.kind}: {row.exhibits} on {row.servers}", style=style))
        for label, words in (
            ("probes" if row.probes[1:] else "probe", ", ".join(row.probes)),
            ("before", row.change.before),
            ("now", row.change.now),
        ):
            if words:
                console.print(Padding(Text(f"{label}: {words}"), (0, 0, 0, 2), expand=False))


def _summary(report: Report) -> Text:
    summary = Text("")
    for verdict in LEGEND:
        if count := report.count[verdict]:
            summary.append(f"{count} {WORDS[verdict]}, ", style=STYLES[verdict])
    return summary.append(f"in {report.seconds:.1f} s.")
