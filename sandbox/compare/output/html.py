"""The report as one page that needs no other file: /matrix/ of the site, with all that it loads."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from django.contrib.staticfiles.finders import find
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from sandbox.compare.engine import Verdict
from sandbox.compare.output.matrix import cells, document, other_cells
from sandbox.compare.report import LEGEND, Report

Document: TypeAlias = Mapping[str, Any]
"""A result as output/matrix.py writes it."""

SIGNS: dict[Verdict, str] = {"same": "✓", "declared": "1", "differs": "✗", "n/a": "-"}
"""A declared difference is shown by the number of its note."""


def as_html(report: Report) -> str:
    """Write one page, with the frames behind each cell."""
    result = document(report)
    return render_to_string(
        "compare/output/report.html",
        {
            **context(result),
            "styles": [inlined("site/style.css"), inlined("compare/matrix.css")],
            "scripts": [inlined("compare/matrix.js"), inlined("site/copy.js")],
        },
    )


def context(result: Document) -> dict[str, Any]:
    """Return what the template ``compare/output/matrix.html`` shows of a result."""
    return {
        "result": result,
        "verdicts": [
            (verdict, SIGNS[verdict], f"{result['count'][verdict]:,}", meaning)
            for verdict, meaning in LEGEND.items()
        ],
        "here": [target for target in result["targets"] if not target["environment"]],
        "environments": _environments(result),
        "overview": _overview(result),
        "notes": _notes(result),
    }


def inlined(name: str) -> SafeString:
    """Return a static file of this project, which closes no element of the page."""
    text = Path(find(name) or name).read_text()
    assert "</" not in text  # noqa: S101 # a promise of the files, that tests keep
    return mark_safe(text)  # noqa: S308 # it is ours


def _environments(result: Document) -> list[str]:
    """Return the versions of the other environments of a result, each once."""
    return list(dict.fromkeys(filter(None, (one["environment"] for one in result["targets"]))))


def _overview(result: Document) -> list[Any]:
    """Return for each edition how many probes show something of their own.

    By server, and then by environment: what is not as in the one that the servers run in here.
    """
    here = {one["name"]: one["server"] for one in result["targets"] if not one["environment"]}
    found: dict[tuple[str, str, str], set[str]] = {}
    for target, exhibit, probe, outcome in cells(result, "declared", "differs"):
        if target in here:
            key = exhibit.partition("/")[0], here[target], outcome["verdict"]
            found.setdefault(key, set()).add(probe["id"])
    for environment, exhibit, probe_id in other_cells(result):
        found.setdefault((exhibit.partition("/")[0], environment, ""), set()).add(probe_id)

    def number(edition: str, column: str, verdict: str) -> int:
        return len(found.get((edition, column, verdict), ()))

    return [
        (
            edition,
            [
                (server, number(name, server, "declared"), number(name, server, "differs"))
                for server in here.values()
            ],
            [(one, number(name, one, "")) for one in _environments(result)],
        )
        for edition in result["editions"]
        for name in [edition["name"]]
    ]


def _notes(result: Document) -> list[Any]:
    """Return each declared difference: its link, where it is, which probes show it, and how."""
    notes = [((reason, link), {}, {}, {}, {}) for reason, link in _reasons(result)]  # type: ignore[var-annotated] # as below
    for target, exhibit, probe, outcome in cells(result, "declared"):
        _, editions, targets, probes, seen = notes[outcome["note"] - 1]
        editions[exhibit.partition("/")[0]] = targets[target] = None
        probes[probe["id"]] = seen[outcome["seen"]] = None
    return [(*reason, *map(list, found)) for reason, *found in notes]


def _reasons(result: Document) -> Iterator[tuple[str, str]]:
    return zip(result["notes"], result["links"], strict=True)
