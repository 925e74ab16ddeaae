"""The checkup as one page that needs no other file."""

from typing import Any

from django.template.loader import render_to_string

from sandbox.checkup.check import GRADES, Finding
from sandbox.checkup.output.words import found_in_words, habits, heading, reason, why
from sandbox.checkup.report import Report
from sandbox.compare.output.html import inlined
from sandbox.processes.machine import machine, versions


def as_html(report: Report) -> str:
    """Write one page, with the frames behind each finding."""
    return render_to_string(
        "checkup/output/report.html",
        {
            "report": report,
            "style": inlined("site/style.css"),
            "count": [(grade, report.count[grade]) for grade in GRADES if report.count[grade]],
            "versions": versions(),
            "machine": machine(),
            "patients": [
                {
                    "heading": heading(patient),
                    "habits": habits(patient.habits),
                    "groups": [
                        (group, [_in_words(one) for one in findings])
                        for group, findings in patient.groups()
                    ],
                }
                for patient in report.patients
            ],
        },
    )


def _in_words(finding: Finding) -> dict[str, Any]:
    return {
        "finding": finding,
        "found": found_in_words(finding),
        "reason": reason(finding),
        "why": why(finding),
    }
