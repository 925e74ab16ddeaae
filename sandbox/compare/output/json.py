"""The report for programs; schema.json says what there is."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

from sandbox.compare.engine import Cell
from sandbox.compare.observations import Observation, OneOf
from sandbox.compare.output.words import in_words, reason, seen_in_words
from sandbox.compare.report import LEGEND, Report
from sandbox.processes.machine import PACKAGES, machine, versions
from sandbox.wire import frames

SCHEMA = 3
LONGEST_TEXT = 1000


def as_json(report: Report) -> str:
    """Write everything down, each observation as a value and in words."""
    document = {
        "schema": SCHEMA,
        "started": report.started,
        "seconds": round(report.seconds, 3),
        "versions": versions(),
        "machine": machine(),
        "servers": [
            {
                "name": target.server,
                "version": target.version,
                "url": target.shown_url,
                "environment": target.environment,
                "versions": {
                    **{
                        name: target.versions[name]
                        for name in (*PACKAGES, target.server)
                        if name in target.versions
                    },
                    **report.other_versions(target),
                },
            }
            for target in report.targets
        ],
        "exhibits": [
            {"id": one.id, "edition": one.edition.name, "type": one.type, "url": one.url}
            for one in report.exhibits
        ],
        "probes": [
            {
                "id": probe.id,
                "group": probe.group,
                "sentence": probe.sentence,
                "expected": _observations(probe.expected, in_words(probe.expected)),
            }
            for probe in report.probes
        ],
        "summary": {verdict: report.count[verdict] for verdict in LEGEND},
        "cells": [_cell(cell) for cell in report.cells],
    }
    if report.changes:
        document["against"] = {
            "started": report.changes.earlier,
            "count": report.changes.count,
            "changes": [
                {
                    "kind": change.kind,
                    **change.place._asdict(),
                    "before": change.before,
                    "now": change.now,
                }
                for change in report.changes.changes
            ],
        }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "server": cell.server,
        "environment": cell.environment,
        "exhibit": cell.exhibit,
        "probe": cell.probe,
        "verdict": cell.verdict,
        "seen": _observations(cell.seen, seen_in_words(cell)),
        "reason": reason(cell),
        "cure": cell.difference.cure if cell.difference else "",
        "link": cell.difference.link if cell.difference else "",
        "seconds": round(cell.seconds, 6),
        "frames": frames(cell.events),
    }


def _observations(observations: Iterable[Observation | OneOf], words: str) -> dict[str, Any]:
    return {"words": words, "observations": observed(observations)}


def observed(observations: Iterable[Observation | OneOf]) -> list[Any]:
    """Write observations as plain values."""
    return [_value(one) for one in observations]


def _value(value: Any) -> Any:
    """Write an observation as an object with its kind; of a long text the beginning and a hash."""
    if is_dataclass(value):
        members = {field.name: _value(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, **members}
    if isinstance(value, tuple):
        return [_value(element) for element in value]
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return {
            "begins": value[:LONGEST_TEXT],
            "characters": len(value),
            "sha256": hashlib.sha256(value.encode()).hexdigest(),
        }
    return value
