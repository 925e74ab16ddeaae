"""The whole of a result in little space: what /matrix/ and the HTML report show.

Cells that show the same share one entry, and one wire log: that of the first of them. So a run of
20,000 cells is some 300 kB, where the JSON report, which has every frame of each, is 40 MB.
"""

import hashlib
import json
import re
import string
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.compare.differences import Difference
from sandbox.compare.engine import Cell, Target
from sandbox.compare.observations import OneOf
from sandbox.compare.output.json import observed
from sandbox.compare.output.words import in_words, reason, seen_in_words
from sandbox.compare.report import LEGEND, Changes, Report
from sandbox.processes.machine import machine, versions

SCHEMA = 1
COMMITTED = Path(__file__).parent.parent / "results" / "matrix.json"

LONGEST_LOG = 24
"""Frames of a log; of a longer one the beginning."""
NOT_ASKED = "."
NUMERALS = string.digits + string.ascii_letters
"""A cell is one character: the place of its outcome in the probe's list."""

# What is another one in each run, or for each connection.
PASSING = re.compile(
    r"(?P<name>sec-websocket-key|sec-websocket-accept|date): [^\r\n]*|(?<=127\.0\.0\.1:)\d+"
    r"|(?<=/compare-)[0-9a-f]{8}(?=-)",
    re.IGNORECASE,
)


@cache
def committed() -> dict[str, Any]:
    """Return the document of the result that is in the repository."""
    result: dict[str, Any] = json.loads(COMMITTED.read_text())
    return result


def as_document(report: Report) -> str:
    """Write the document, each probe on a line of its own."""
    return written(document(report))


def written(parts: Mapping[str, Any]) -> str:
    """Write a document as JSON whose differences git can show."""
    lines = []
    for name, value in parts.items():
        if isinstance(value, list):
            items = ",\n".join(_compact(item) for item in value)
            lines.append(f"{_compact(name)}:[\n{items}\n]")
        else:
            lines.append(f"{_compact(name)}:{_compact(value)}")
    return "{" + ",\n".join(lines) + "}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def document(report: Report) -> dict[str, Any]:
    """Return the document as plain values."""
    protocols = {exhibit.id: exhibit.protocol for exhibit in report.exhibits}
    servers = {target.name: target.server for target in report.targets}
    notes = list(
        dict.fromkeys(_note(cell.difference) for cell in report.of("declared") if cell.difference)
    )
    frames: dict[tuple[Any, ...], int] = {}
    outcomes: dict[str, dict[object, dict[str, Any]]] = {}
    places: dict[tuple[str, str, str], int] = {}
    for cell in report.cells:
        known = outcomes.setdefault(cell.probe, {})
        key = (
            protocols[cell.exhibit],
            "" if cell.verdict == "same" else servers[cell.target],
            *(cell.verdict, cell.seen, cell.details, reason(cell)),
        )
        if key not in known:
            known[key] = _outcome(cell, len(known), notes, frames)
        places[cell.probe, cell.target, cell.exhibit] = known[key]["place"]
    since = {"changes": _changes(report, report.changes)} if report.changes else {}
    return {
        "schema": SCHEMA,
        **since,
        "started": report.started,
        "seconds": round(report.seconds, 1),
        "versions": versions(),
        "machine": machine(),
        "count": {verdict: report.count[verdict] for verdict in LEGEND},
        "targets": [
            {
                "name": target.name,
                "server": target.server,
                "environment": target.environment,
                "version": target.version,
                "options": _options(target),
            }
            for target in report.targets
        ],
        "editions": [
            {"name": edition.name, "sentence": edition.sentence} for edition in report.editions
        ],
        "exhibits": [exhibit.id for exhibit in report.exhibits],
        "notes": [note for note, _ in notes],
        "links": [link for _, link in notes],
        "probes": [
            {
                "id": probe.id,
                "group": probe.group,
                "sentence": probe.sentence,
                "contract": in_words(probe.expected),
                "outcomes": [
                    {name: value for name, value in outcome.items() if name != "place"}
                    for outcome in outcomes[probe.id].values()
                ],
                "cells": [
                    "".join(
                        NUMERALS[place]
                        if (place := places.get((probe.id, target.name, exhibit.id))) is not None
                        else NOT_ASKED
                        for exhibit in report.exhibits
                    )
                    for target in report.targets
                ],
            }
            for probe in report.probes
        ],
        "frames": list(frames),
    }


def _note(difference: Difference) -> tuple[str, str]:
    """What is said of a declared difference, and where it is discussed, if anywhere."""
    return " ".join(filter(None, [difference.reason, difference.cure])), difference.link


def _changes(report: Report, changes: Changes) -> dict[str, Any]:
    return {
        "earlier": changes.earlier,
        "count": changes.count,
        "rows": [
            {
                "kind": row.change.kind,
                "before": row.change.before,
                "now": row.change.now,
                "exhibits": row.exhibits,
                "servers": row.servers,
                "probes": row.probes,
                "places": row.places,
            }
            for row in report.change_rows()
        ],
    }


def _options(target: Target) -> str:
    """What the command needs to meet this target again."""
    if target.log is None:
        return f"--url {target.shown_url} --server {target.server}"
    environment = f" --with '{target.environment}'" if target.environment else ""
    return f"--server {target.server}{environment}"


def _outcome(
    cell: Cell, place: int, notes: list[tuple[str, str]], frames: dict[tuple[Any, ...], int]
) -> dict[str, Any]:
    outcome: dict[str, Any] = {"place": place, "verdict": cell.verdict}
    if cell.verdict == "n/a":
        return outcome | {"because": reason(cell)}
    has_choice = any(isinstance(one, OneOf) for one in cell.expected)
    outcome |= {
        "seen": seen_in_words(cell),
        "sum": checksum(cell.verdict, observed(cell.seen), has_choice=has_choice),
    }
    if cell.verdict == "declared" and cell.difference:
        outcome["note"] = notes.index(_note(cell.difference)) + 1
    elif because := reason(cell):
        outcome["because"] = because
    if cell.details:
        outcome["details"] = cell.details
    outcome["of"] = [cell.target, cell.exhibit]
    outcome["log"] = [
        [
            round(event.at * 1000),
            event.connection,
            frames.setdefault(
                (int(event.sent), event.kind, event.size, _lasting(event.excerpt)), len(frames)
            ),
        ]
        for event in cell.events[:LONGEST_LOG]
    ]
    if more := len(cell.events[LONGEST_LOG:]):
        outcome["more"] = more
    return outcome


def _lasting(excerpt: str) -> str:
    return PASSING.sub(lambda match: f"{match['name']}: …" if match["name"] else "…", excerpt)


def checksum(verdict: str, observations: list[Any], *, has_choice: bool) -> str:
    """Make a short name of what was seen, given as in the JSON report, to the last byte.

    Where the contract leaves a choice, what it allows counts as the same.
    """
    if verdict == "n/a" or (verdict == "same" and has_choice):
        return ""
    return hashlib.sha256(_compact(observations).encode()).hexdigest()[:12]


def is_another(outcome: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two cells of a document do not show the same."""
    return any(outcome.get(name) != other.get(name) for name in ("verdict", "sum"))


def cells(
    result: Mapping[str, Any], *verdicts: str
) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Yield server, exhibit, probe and outcome of each cell of a document, or of some verdicts."""
    targets = [target["name"] for target in result["targets"]]
    for probe in result["probes"]:
        outcomes = {
            numeral: outcome
            for numeral, outcome in zip(NUMERALS, probe["outcomes"], strict=False)
            if not verdicts or outcome["verdict"] in verdicts
        }
        for target, row in zip(targets, probe["cells"], strict=True):
            for exhibit, numeral in zip(result["exhibits"], row, strict=True):
                if numeral in outcomes:
                    yield target, exhibit, probe, outcomes[numeral]


def other_cells(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield environment, exhibit and probe of each cell that shows something else there than here.

    Most rows are the same in both: they are compared as a whole first.
    """
    here = {
        one["server"]: place
        for place, one in enumerate(result["targets"])
        if not one["environment"]
    }
    for probe in result["probes"]:
        for target, row in zip(result["targets"], probe["cells"], strict=True):
            usual = probe["cells"][here[target["server"]]]
            if row == usual:
                continue
            for exhibit, *numerals in zip(result["exhibits"], row, usual, strict=True):
                if NOT_ASKED in numerals:
                    continue
                one, other = (probe["outcomes"][NUMERALS.index(it)] for it in numerals)
                if is_another(one, other):
                    yield target["environment"], exhibit, probe["id"]
