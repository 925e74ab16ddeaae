"""The report in a terminal."""

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from consumers.catalogue import EDITIONS
from sandbox.compare.engine import Verdict
from sandbox.compare.report import LEGEND, Disagreement, Matrix, Report, alike, between

STYLES: dict[Verdict, str] = {
    "same": "green",
    "declared": "yellow",
    "differs": "bold red",
    "n/a": "dim",
}
WORDS: dict[Verdict, str] = {**{verdict: verdict for verdict in LEGEND}, "differs": "DIFFERS"}


def show(report: Report, console: Console) -> None:
    for verdict, meaning in LEGEND.items():
        console.print(Text.assemble(f"{WORDS[verdict]:>8}", style=STYLES[verdict]), meaning)
    for matrix in report.matrices():
        console.print()
        console.print(_table(matrix))
    for edition, rows in between(report):
        console.print()
        console.print(_servers(edition, rows, report))
    _show_cells(report, console, "declared", "Declared differences")
    _show_cells(report, console, "differs", "Differences")
    _show_not_applicable(report, console)
    console.print()
    console.print(_summary(report))


def _word(verdict: Verdict) -> Text:
    return Text(WORDS[verdict], style=STYLES[verdict])


def _table(matrix: Matrix) -> Group:
    target = matrix.target
    heading = f"{matrix.edition} on {target.server} {target.version}: {EDITIONS[matrix.edition]}"
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for exhibit in matrix.exhibits:
        # Broken at the hyphens, five columns fit into 80.
        table.add_column(exhibit.slug.replace("-", "-\n"), vertical="bottom")
    for group, probes in matrix.groups():
        table.add_row(Text(group, style="bold"))
        for probe in probes:
            table.add_row(f"  {probe.id}", *(_word(cell.verdict) for cell in matrix.row(probe)))
    return Group(Text(heading, style="bold"), table)


def _servers(edition: str, rows: list[Disagreement], report: Report) -> Group:
    heading = f"{edition}: what the servers make of the same consumers"
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for target in report.targets:
        table.add_column(target.server, overflow="fold", ratio=1)
    for row in rows:
        probes = "\n".join(probe.id for probe in row.probes)
        table.add_row(probes, *(Text(words) for words in row.seen))
    return Group(Text(heading, style="bold"), table)


def _show_cells(report: Report, console: Console, verdict: Verdict, heading: str) -> None:
    rows = alike(report, verdict)
    if rows:
        console.print()
        console.print(Text(heading, style="bold"))
    for row in rows:
        console.print()
        console.print(Text(f"{row.exhibits} on {row.servers}", style=STYLES[verdict]))
        for label, words in (
            ("probes" if row.probes[1:] else "probe", ", ".join(row.probes)),
            ("contract", "" if row.probes[1:] else row.cell.expected),
            ("seen", row.cell.seen),
            ("because", row.cell.reason),
        ):
            if words:
                console.print(Padding(Text(f"{label}: {words}"), (0, 0, 0, 2)))


def _show_not_applicable(report: Report, console: Console) -> None:
    reasons = dict.fromkeys(cell.reason for cell in report.of("n/a"))
    if reasons:
        console.print()
        console.print(Text("Not applicable", style="bold"))
        for reason in reasons:
            count = sum(cell.reason == reason for cell in report.of("n/a"))
            console.print(Padding(Text(f"{reason} ({count} cells)"), (0, 0, 0, 2)))


def _summary(report: Report) -> Text:
    summary = Text("")
    for verdict in LEGEND:
        if count := report.count[verdict]:
            summary.append(f"{count} {WORDS[verdict]}, ", style=STYLES[verdict])
    return summary.append(f"in {report.seconds:.1f} s.")
