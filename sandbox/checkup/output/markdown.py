"""The checkup as Markdown, for a pull request or a workflow's summary."""

from collections.abc import Iterator

from sandbox.checkup.output.words import found_in_words, habits, heading, reason, why
from sandbox.checkup.report import Patient, Report


def as_markdown(report: Report) -> str:
    return "\n".join(line for patient in report.patients for line in _lines(patient)) + "\n"


def _lines(patient: Patient) -> Iterator[str]:
    yield f"**{_cell(heading(patient))}**: {_cell(habits(patient.habits))}"
    yield ""
    yield "| grade | check | found | why, and where the cure is |"
    yield "|---|---|---|---|"
    for one in patient.findings:
        found = [f"`{found_in_words(one)}`", reason(one)]
        advice = [why(one), f"Cure: `{one.check.cure}`" if one.is_advice else ""]
        cells = (
            one.grade,
            f"`{one.check.id}`",
            *(" ".join(filter(None, x)) for x in (found, advice)),
        )
        yield "| " + " | ".join(map(_cell, cells)) + " |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;").replace("\n", " ")
