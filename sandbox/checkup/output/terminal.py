"""The checkup in a terminal."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sandbox.checkup.check import GRADES, Finding, Grade
from sandbox.checkup.output.words import found_in_words, habits, heading, reason, why
from sandbox.checkup.report import Patient, Report

STYLES: dict[Grade, str] = {
    "good": "green",
    "note": "yellow",
    "bad": "bold red",
    "skipped": "dim",
}
WORDS: dict[Grade, str] = {**{grade: grade for grade in GRADES}, "bad": "BAD"}


def show(report: Report, console: Console) -> None:
    for patient in report.patients:
        console.print()
        console.print(Text(heading(patient), style="bold"))
        console.print(Text(habits(patient.habits)))
        _show_findings(patient, console)
    console.print()
    summary = Text("")
    for grade in GRADES:
        if count := report.count[grade]:
            summary.append(f"{count} {WORDS[grade]}, ", style=STYLES[grade])
    console.print(summary.append(f"in {report.seconds:.1f} s."))


def _show_findings(patient: Patient, console: Console) -> None:
    for group, findings in patient.groups():
        console.print()
        console.print(Text(group, style="bold"))
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column()
        for one in findings:
            table.add_row(Text(WORDS[one.grade], style=STYLES[one.grade]), one.check.id, _said(one))
        console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _said(finding: Finding) -> Text:
    text = Text(found_in_words(finding))
    for line in (reason(finding), why(finding)):
        if line:
            text.append(f"\n{line}", style="dim")
    if finding.is_advice:
        text.append(f"\ncure: {finding.check.cure}", style="dim")
    return text
