"""The report as one page that needs no other file."""

from typing import Any

from django.template.loader import render_to_string

from sandbox.compare.engine import Cell, Verdict
from sandbox.compare.output.words import alternatives, in_words, reason, seen_in_words
from sandbox.compare.report import LEGEND, Matrix, Report
from sandbox.processes.machine import machine, versions


def as_html(report: Report) -> str:
    """Write one page, with the frames behind each cell."""
    numbers = {id(cell): number for number, cell in enumerate(report.cells)}
    return render_to_string(
        "compare/output/report.html",
        {
            "report": report,
            "editions": [edition.name for edition in report.editions],
            "legend": LEGEND,
            "count": [(verdict, report.count[verdict]) for verdict in LEGEND],
            "versions": versions(),
            "machine": machine(),
            "matrices": [
                {"matrix": matrix, "groups": _groups(matrix, numbers)}
                for matrix in report.matrices()
            ],
            "servers": [
                (edition.name, [(row, [alternatives(seen) for seen in row.seen]) for row in rows])
                for edition, rows in report.server_rows()
            ],
            "declared": _differences(report, "declared"),
            "differs": _differences(report, "differs"),
            "cells": [_in_words(cell) for cell in report.cells],
        },
    )


def _groups(matrix: Matrix, numbers: dict[int, int]) -> list[Any]:
    """Return the rows of each group, each cell with its number on the page."""
    return [
        (
            group,
            [
                (probe, [(numbers[id(cell)], cell) for cell in matrix.row(probe)])
                for probe in probes
            ],
        )
        for group, probes in matrix.groups()
    ]


def _differences(report: Report, verdict: Verdict) -> list[Any]:
    return [(row, _in_words(row.cell)) for row in report.cell_rows(verdict)]


def _in_words(cell: Cell) -> dict[str, Any]:
    return {
        "cell": cell,
        "expected": in_words(cell.expected),
        "seen": seen_in_words(cell),
        "reason": reason(cell),
    }
