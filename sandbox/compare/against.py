"""A result next to an earlier one: which cells are new, gone, changed, or the same."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from sandbox.compare.output import json as full
from sandbox.compare.output import matrix
from sandbox.compare.probes import table
from sandbox.compare.report import Change, Changes, Place, Report
from sandbox.processes.environments import column

Outcomes: TypeAlias = Mapping[Place, "Shown"]


class Shown(NamedTuple):
    """What a cell showed."""

    verdict: str
    checksum: str
    """Of what was seen, to the last byte; of nothing where the contract leaves a choice."""
    words: str

    @property
    def in_words(self) -> str:
        return f"{self.verdict}: {self.words}" if self.words else self.verdict


class Earlier(NamedTuple):
    """An earlier result."""

    started: str
    outcomes: Outcomes


class UnreadableError(Exception):
    """A file is no result; the message says which and why."""


def read(path: Path) -> Earlier:
    """Read what ``--json`` or ``--matrix`` has written. Raises UnreadableError."""
    try:
        result = json.loads(path.read_text())
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UnreadableError(f"{path} is not JSON: {error}.") from error
    is_full = isinstance(result, dict) and "cells" in result
    schema = full.SCHEMA if is_full else matrix.SCHEMA
    if not isinstance(result, dict) or "probes" not in result or result.get("schema") != schema:
        raise UnreadableError(
            f"{path} is not a result of this version: give a file that --json or --matrix wrote."
        )
    shown = _of_json(result) if is_full else _of_matrix(result)
    return Earlier(result["started"], dict(shown))


def against(report: Report, earlier: Earlier, probes: Collection[str] = ()) -> Changes:
    """Compare a run with an earlier one, in what it has asked: the usual probes or those named.

    A name may be a pattern.
    """
    now = dict(_of_matrix(matrix.document(report)))
    servers = {target.name for target in report.targets}
    exhibits = {exhibit.id for exhibit in report.exhibits}
    tables = {edition.probes for edition in report.editions}
    unusual = {probe.id for name in tables for probe in table(name) if not probe.by_default}
    before = {
        place: shown
        for place, shown in earlier.outcomes.items()
        if place.server in servers
        and place.exhibit in exhibits
        and (
            any(fnmatchcase(place.probe, name) for name in probes)
            if probes
            else place.probe not in unusual
        )
    }
    return Changes(
        earlier.started,
        tuple(_changes(before, now)),
        same=sum(_is_same(before[place], shown) for place, shown in now.items() if place in before),
    )


def _changes(before: Outcomes, now: Outcomes) -> Iterable[Change]:
    for place, shown in now.items():
        if place not in before:
            yield Change("new", place, "", shown.in_words)
        elif not _is_same(before[place], shown):
            was, is_now = before[place].in_words, shown.in_words
            hidden = " (not the same to the last byte)" if was == is_now else ""
            yield Change("changed", place, was, is_now + hidden)
    for place, shown in before.items():
        if place not in now:
            yield Change("gone", place, shown.in_words, "")


def _is_same(before: Shown, now: Shown) -> bool:
    return before[:2] == now[:2]


def _of_json(result: Mapping[str, Any]) -> Iterator[tuple[Place, Shown]]:
    free = {
        probe["id"]
        for probe in result["probes"]
        if any(one["kind"] == "OneOf" for one in probe["expected"]["observations"])
    }
    for cell in result["cells"]:
        verdict, seen = cell["verdict"], cell["seen"]
        checksum = matrix.checksum(verdict, seen["observations"], has_choice=cell["probe"] in free)
        yield (
            Place(column(cell["server"], cell["environment"]), cell["exhibit"], cell["probe"]),
            Shown(verdict, checksum, seen["words"]),
        )


def _of_matrix(result: Mapping[str, Any]) -> Iterator[tuple[Place, Shown]]:
    for server, exhibit, probe, outcome in matrix.cells(result):
        yield (
            Place(server, exhibit, probe["id"]),
            Shown(outcome["verdict"], outcome.get("sum", ""), outcome.get("seen", "")),
        )
