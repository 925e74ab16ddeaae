"""A finished run, and the ways to write it down."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from django.template.loader import render_to_string

from consumers.catalogue import Edition, Exhibit
from sandbox.compare.engine import Cell, Target, Verdict
from sandbox.compare.probes import TABLES, Probe
from sandbox.processes.machine import machine, versions

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

    edition: Edition
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
class Disagreement:
    """Probes of which the servers show something else, each the same for all of them."""

    probes: list[Probe]
    seen: tuple[str, ...]
    """In the order of the servers."""
    reasons: dict[str, None]
    """Each once."""


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
    def editions(self) -> list[Edition]:
        return list(dict.fromkeys(exhibit.edition for exhibit in self.exhibits))

    @property
    def probes(self) -> list[Probe]:
        asked = {cell.probe for cell in self.cells}
        tables = dict.fromkeys(TABLES[edition.probes] for edition in self.editions)
        return [probe for table in tables for probe in table if probe.id in asked]

    def of(self, verdict: Verdict) -> list[Cell]:
        return [cell for cell in self.cells if cell.verdict == verdict]

    def matrices(self) -> list[Matrix]:
        return [
            self.matrix(edition, target) for edition in self.editions for target in self.targets
        ]

    def matrix(self, edition: Edition, target: Target) -> Matrix:
        exhibits = tuple(one for one in self.exhibits if one.edition == edition)
        ids = {exhibit.id for exhibit in exhibits}
        cells = {
            (cell.probe, cell.exhibit): cell
            for cell in self.cells
            if cell.server == target.server and cell.exhibit in ids
        }
        asked = {probe for probe, _ in cells}
        probes = tuple(probe for probe in TABLES[edition.probes] if probe.id in asked)
        return Matrix(edition, target, exhibits, probes, cells)

    def between_servers(self, edition: Edition) -> list[Disagreement]:
        """Find the probes that the servers do not agree on."""
        matrices = [self.matrix(edition, target) for target in self.targets]
        found: dict[tuple[str, ...], Disagreement] = {}
        for probe in matrices[0].probes:
            rows = [
                [cell for cell in matrix.row(probe) if cell.verdict != "n/a"] for matrix in matrices
            ]
            seen = tuple(" or ".join(dict.fromkeys(cell.seen for cell in row)) for row in rows)
            if len(set(seen)) > 1:
                row = found.setdefault(seen, Disagreement([], seen, {}))
                row.probes.append(probe)
                row.reasons.update({c.reason: None for cells in rows for c in cells if c.reason})
        return list(found.values())

    def name(self, ids: list[str]) -> str:
        """Name exhibits in short: those of a whole edition, or all its WebSockets, together."""
        names = []
        for edition in self.editions:
            all_of_it = [one for one in self.exhibits if one.edition == edition]
            named = [one.id for one in all_of_it if one.id in ids]
            websockets = [one.id for one in all_of_it if one.protocol == "websocket"]
            if len(named) == len(all_of_it) > 1:
                names.append(f"{edition.name}/*")
            elif named == websockets and len(named) > 1:
                names.append(f"{edition.name}/*websocket")
            else:
                names += named
        return ", ".join(names)


@dataclass(frozen=True, slots=True)
class Alike:
    """Cells of the same verdict that have one reason and show the same."""

    probes: list[str]
    exhibits: str
    servers: str
    cell: Cell
    """One of them."""


def alike(report: Report, verdict: Verdict) -> list[Alike]:
    """Put together what would be told twice."""
    together: dict[tuple[str, str], list[Cell]] = {}
    for cell in report.of(verdict):
        together.setdefault((cell.reason, cell.seen), []).append(cell)
    return [
        Alike(
            list(dict.fromkeys(cell.probe for cell in cells)),
            report.name([cell.exhibit for cell in cells]),
            ", ".join(dict.fromkeys(cell.server for cell in cells)),
            cells[0],
        )
        for cells in together.values()
    ]


def as_json(report: Report) -> str:
    """Write everything down; schema.json says what there is."""
    document = {
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
            {"id": one.id, "edition": one.edition.name, "type": one.type, "url": one.url}
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
                "close_code": cell.close_code,
                "seconds": round(cell.seconds, 6),
                "frames": [
                    {
                        "at": round(event.at, 6),
                        "connection": event.connection,
                        "direction": "sent" if event.sent else "received",
                        "kind": event.kind,
                        "bytes": event.size,
                        "excerpt": event.excerpt,
                    }
                    for event in cell.events
                ],
            }
            for cell in report.cells
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def as_html(report: Report) -> str:
    """Write one page that needs no other file."""
    numbers = {id(cell): number for number, cell in enumerate(report.cells)}
    matrices = [
        {
            "matrix": matrix,
            "groups": [
                (
                    group,
                    [
                        (probe, [(numbers[id(cell)], cell) for cell in matrix.row(probe)])
                        for probe in probes
                    ],
                )
                for group, probes in matrix.groups()
            ],
        }
        for matrix in report.matrices()
    ]
    return render_to_string(
        "compare/output/report.html",
        {
            "report": report,
            "legend": LEGEND,
            "count": [(verdict, report.count[verdict]) for verdict in LEGEND],
            "versions": versions(),
            "machine": machine(),
            "matrices": matrices,
            "servers": between(report),
            "declared": alike(report, "declared"),
            "differs": alike(report, "differs"),
            "sentences": {probe.id: probe.sentence for probe in report.probes},
            "cells": list(enumerate(report.cells)),
        },
    )


def as_markdown(report: Report) -> str:
    """Write the README's tables: the matrix of one server, or what several make of the same."""
    tables = _markdown_matrices if len(report.targets) == 1 else _markdown_servers
    return "\n".join(tables(report)).strip() + "\n"


def _markdown_matrices(report: Report) -> Iterator[str]:
    """Yield a row for each group of probes; then the differences, a row for each reason."""
    for verdict, meaning in LEGEND.items():
        yield f"- **{verdict}**: {meaning}"
    for matrix in report.matrices():
        heading = (
            f"**{matrix.edition.name}** on {matrix.target.server}, {len(matrix.probes)} probes"
        )
        yield f"\n{heading}: {matrix.edition.sentence}\n"
        yield from _markdown_head("", [f"`{exhibit.slug}`" for exhibit in matrix.exhibits])
        for group, asked in matrix.groups():
            columns = zip(*(matrix.row(probe) for probe in asked), strict=True)
            counts = [_count_words(Counter(cell.verdict for cell in cells)) for cells in columns]
            yield _markdown_row(f"{group} ({len(asked)})", counts)
    rows = alike(report, "declared")
    if rows:
        yield ""
        yield from _markdown_head("declared difference", ["probes", "seen instead"])
    for reason in dict.fromkeys(row.cell.reason for row in rows):
        told = [row for row in rows if row.cell.reason == reason]
        probes = dict.fromkeys(probe for row in told for probe in row.probes)
        seen = dict.fromkeys(_codes([row.cell.seen]) for row in told)
        yield _markdown_row(reason, [_codes(probes), "<br>".join(seen)])


def _markdown_servers(report: Report) -> Iterator[str]:
    for edition, rows in between(report):
        yield ""
        servers = [target.server for target in report.targets]
        yield from _markdown_head(f"`{edition.name}`", [*servers, "why"])
        for row in rows:
            probes = _codes(probe.id for probe in row.probes)
            yield _markdown_row(
                probes, [*(_codes([words]) for words in row.seen), " ".join(row.reasons)]
            )


def between(report: Report) -> list[tuple[Edition, list[Disagreement]]]:
    """Find what several servers do not agree on, by the edition that shows it first."""
    if len(report.targets) == 1:
        return []
    found = []
    told: list[tuple[list[Probe], tuple[str, ...]]] = []
    for edition in report.editions:
        rows = [
            row for row in report.between_servers(edition) if (row.probes, row.seen) not in told
        ]
        told += [(row.probes, row.seen) for row in rows]
        if rows:
            found.append((edition, rows))
    return found


def _count_words(count: Counter[Verdict]) -> str:
    present = [verdict for verdict in LEGEND if count[verdict]]
    if len(present) == 1:
        return present[0]
    return ", ".join(f"{count[verdict]} {verdict}" for verdict in present)


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words if word)


def _markdown_head(first: str, columns: list[str]) -> list[str]:
    return [_markdown_row(first, columns), "|---" * (len(columns) + 1) + "|"]


def _markdown_row(first: str, columns: list[str]) -> str:
    return "| " + " | ".join(column.replace("|", r"\|") for column in [first, *columns]) + " |"
