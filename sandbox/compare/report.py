"""A finished run, and the ways to write it down."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from consumers.catalogue import Exhibit
from sandbox.compare.engine import Cell, Target, Verdict
from sandbox.compare.probes import TABLES, Probe
from sandbox.machine import machine, versions

SCHEMA = 1

LEGEND: dict[Verdict, str] = {
    "same": "as the contract says, byte for byte",
    "declared": "a difference that is known and has a reason, told below",
    "differs": "neither the contract nor a declared difference",
    "n/a": "does not apply, for a reason",
}


@dataclass(frozen=True, slots=True)
class Matrix:
    """The cells of one edition on one server: probes down, exhibits across."""

    edition: str
    target: Target
    exhibits: tuple[Exhibit, ...]
    probes: tuple[Probe, ...]
    cells: Mapping[tuple[str, str], Cell]
    """By probe and exhibit."""

    def row(self, probe: Probe) -> list[Cell]:
        return [self.cells[probe.id, exhibit.id] for exhibit in self.exhibits]

    def groups(self) -> list[tuple[str, list[Probe]]]:
        by_group = groupby(self.probes, key=lambda probe: probe.group)
        return [(group, list(probes)) for group, probes in by_group]


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run."""

    started: str
    seconds: float
    targets: tuple[Target, ...]
    exhibits: tuple[Exhibit, ...]
    cells: tuple[Cell, ...]

    @property
    def count(self) -> Counter[Verdict]:
        return Counter(cell.verdict for cell in self.cells)

    @property
    def is_good(self) -> bool:
        return not self.count["differs"]

    @property
    def probes(self) -> tuple[Probe, ...]:
        asked = {cell.probe for cell in self.cells}
        tables = dict.fromkeys(TABLES[exhibit.edition] for exhibit in self.exhibits)
        return tuple(probe for table in tables for probe in table if probe.id in asked)

    def matrices(self) -> list[Matrix]:
        made = []
        editions = dict.fromkeys(exhibit.edition for exhibit in self.exhibits)
        for edition in editions:
            exhibits = tuple(one for one in self.exhibits if one.edition == edition)
            ids = {exhibit.id for exhibit in exhibits}
            for target in self.targets:
                cells = {
                    (cell.probe, cell.exhibit): cell
                    for cell in self.cells
                    if cell.server == target.server and cell.exhibit in ids
                }
                asked = {probe for probe, _ in cells}
                probes = tuple(probe for probe in TABLES[edition] if probe.id in asked)
                made.append(Matrix(edition, target, exhibits, probes, cells))
        return made

    def of(self, verdict: Verdict) -> list[Cell]:
        return [cell for cell in self.cells if cell.verdict == verdict]


def told_once(cells: Iterable[Cell]) -> list[tuple[Cell, list[str], list[str], list[str]]]:
    """Put cells of the same words together: one of them, its probes, exhibits, servers."""
    together: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        together.setdefault((cell.reason, cell.seen), []).append(cell)
    return [
        (
            alike[0],
            list(dict.fromkeys(cell.probe for cell in alike)),
            list(dict.fromkeys(cell.exhibit for cell in alike)),
            list(dict.fromkeys(cell.server for cell in alike)),
        )
        for alike in together.values()
    ]


def as_json(report: Report) -> str:
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "started": report.started,
        "seconds": round(report.seconds, 3),
        "versions": versions(),
        "machine": machine(),
        "servers": [
            {"name": target.server, "version": target.version, "url": target.url}
            for target in report.targets
        ],
        "exhibits": [
            {"id": one.id, "edition": one.edition, "type": one.type, "url": one.url}
            for one in report.exhibits
        ],
        "probes": [
            {
                "id": probe.id,
                "group": probe.group,
                "sentence": probe.sentence,
                "expected": probe.expected,
            }
            for probe in report.probes
        ],
        "summary": {verdict: report.count[verdict] for verdict in LEGEND},
        "cells": [
            {
                "server": cell.server,
                "exhibit": cell.exhibit,
                "probe": cell.probe,
                "verdict": cell.verdict,
                "seen": cell.seen,
                "reason": cell.reason,
                "details": cell.details,
                "seconds": round(cell.seconds, 6),
                "frames": [{**event._asdict(), "at": round(event.at, 6)} for event in cell.events],
            }
            for cell in report.cells
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
