"""The checkup for programs; schema.json says what there is."""

import json
from dataclasses import fields, is_dataclass
from typing import Any

from sandbox.checkup.check import GRADES, Finding
from sandbox.checkup.output.words import found_in_words, why
from sandbox.checkup.report import Patient, Report
from sandbox.processes.machine import machine, versions
from sandbox.wire import frames

SCHEMA = 1
LONGEST_TEXT = 1000


def as_json(report: Report) -> str:
    """Write everything down, each outcome as a value and in words."""
    document = {
        "schema": SCHEMA,
        "started": report.started,
        "seconds": round(report.seconds, 3),
        "versions": versions(),
        "machine": machine(),
        "stated": {
            "connections": report.plan.connections,
            "messages": report.plan.messages,
            "bytes": report.plan.size,
        },
        "summary": {grade: report.count[grade] for grade in GRADES},
        "consumers": [_patient(patient) for patient in report.patients],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _patient(patient: Patient) -> dict[str, Any]:
    return {
        "url": patient.target.name,
        "server": patient.target.server or None,
        "versions": dict(patient.target.versions),
        "sent": {
            "connections": patient.spent.connections,
            "messages": patient.spent.messages,
            "bytes": patient.spent.size,
        },
        "is_shared": patient.habits.is_shared,
        "findings": [_finding(one) for one in patient.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    raised = finding.raised
    return {
        "id": finding.check.id,
        "group": finding.check.group,
        "sentence": finding.check.sentence,
        "grade": finding.grade,
        "words": found_in_words(finding),
        "outcome": _value(finding.outcome),
        "why": why(finding),
        "cure": finding.check.cure if finding.is_advice else None,
        "raised": raised
        and {
            "error": raised.error,
            "message": raised.message,
            "file": raised.file,
            "line": raised.line,
        },
        "frames": frames(finding.events),
    }


def _value(value: Any) -> Any:
    """Write an outcome as an object with its kind; of a long text only the beginning."""
    if is_dataclass(value):
        members = {field.name: _value(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, **members}
    if isinstance(value, tuple):
        return [_value(element) for element in value]
    if isinstance(value, bytes):
        return _value(value.decode(errors="backslashreplace"))
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return value[:LONGEST_TEXT] + "…"
    return value
