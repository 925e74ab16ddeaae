"""A finished run, and what of it belongs together. output/ writes it down."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import Literal, NamedTuple

from consumers.catalogue import Edition, Exhibit
from sandbox.compare.differences import Difference
from sandbox.compare.engine import Cell, Target, Verdict
from sandbox.compare.observations import Observations
from sandbox.compare.probe import Probe
from sandbox.compare.probes import table

LEGEND: dict[Verdict, str] = {
    "same": "as the contract says, byte for byte",
    "declared": "a difference that is known, with its reason below",
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
class ServerRow:
    """Probes that the targets answer differently, all in the same way."""

    probes: list[Probe]
    seen: tuple[tuple[Observations, ...], ...]
    """For each target, in their order: what its exhibits show, each once."""
    differences: list[Difference]
    """Each reason once."""


@dataclass(frozen=True, slots=True)
class CellRow:
    """Cells of the same verdict that show the same, for the same reason."""

    probes: list[str]
    exhibits: str
    servers: str
    cell: Cell
    """One of them."""


class Place(NamedTuple):
    """Where a cell is."""

    server: str
    exhibit: str
    probe: str


@dataclass(frozen=True, slots=True)
class Change:
    """A cell that is not what it was in an earlier result."""

    kind: Literal["changed", "gone", "new"]
    place: Place
    before: str
    """In words, its verdict first; empty for a new one."""
    now: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """Cells that showed the same before, and show the same now."""

    change: Change
    """One of them."""
    places: list[Place]
    probes: list[str]
    exhibits: str
    servers: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from an earlier result."""

    earlier: str
    """When that was started."""
    changes: tuple[Change, ...]
    same: int

    @property
    def count(self) -> dict[str, int]:
        found = Counter(change.kind for change in self.changes)
        return {**{kind: found[kind] for kind in ("changed", "gone", "new")}, "same": self.same}

    @property
    def is_good(self) -> bool:
        """Whether all that was there is there still, and as it was."""
        return not self.count["changed"] and not self.count["gone"]


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run."""

    started: str
    seconds: float
    targets: tuple[Target, ...]
    exhibits: tuple[Exhibit, ...]
    cells: tuple[Cell, ...]
    changes: Changes | None = None
    """Since an earlier result, where it is compared with one."""

    def with_changes(self, changes: Changes) -> "Report":
        return replace(self, changes=changes)

    @property
    def count(self) -> Counter[Verdict]:
        return Counter(cell.verdict for cell in self.cells)

    @property
    def is_good(self) -> bool:
        return not self.count["differs"] and (self.changes is None or self.changes.is_good)

    @property
    def editions(self) -> list[Edition]:
        return list(dict.fromkeys(exhibit.edition for exhibit in self.exhibits))

    @property
    def probes(self) -> list[Probe]:
        asked = {cell.probe for cell in self.cells}
        tables = dict.fromkeys(table(edition.probes) for edition in self.editions)
        probes = [probe for probes in tables for probe in probes if probe.id in asked]
        return list(dict.fromkeys(probes))

    def of(self, verdict: Verdict) -> list[Cell]:
        return [cell for cell in self.cells if cell.verdict == verdict]

    def other_versions(self, target: Target) -> dict[str, str]:
        """Find what has another version in a target's environment than in the first one's."""
        first = self.targets[0].versions
        return {
            name: version
            for name, version in sorted(target.versions.items())
            if first.get(name, version) != version
        }

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
            if cell.target == target.name and cell.exhibit in ids
        }
        asked = {probe for probe, _ in cells}
        probes = tuple(probe for probe in table(edition.probes) if probe.id in asked)
        return Matrix(edition, target, exhibits, probes, cells)

    def cell_rows(self, verdict: Verdict) -> list[CellRow]:
        """Put cells together that show the same for the same reason."""
        together: dict[object, list[Cell]] = {}
        for cell in self.of(verdict):
            reason = cell.difference and cell.difference.reason
            key = (reason, cell.seen, cell.details, cell.usual_details)
            together.setdefault(key, []).append(cell)
        return [
            CellRow(
                list(dict.fromkeys(cell.probe for cell in cells)),
                self._short_names({cell.exhibit for cell in cells}),
                ", ".join(dict.fromkeys(cell.target for cell in cells)),
                cells[0],
            )
            for cells in together.values()
        ]

    def change_rows(self) -> list[ChangeRow]:
        """Put changes together that are alike."""
        together: dict[object, list[Change]] = {}
        for change in self.changes.changes if self.changes else ():
            together.setdefault((change.kind, change.before, change.now), []).append(change)
        return [
            ChangeRow(
                alike[0],
                [change.place for change in alike],
                list(dict.fromkeys(change.place.probe for change in alike)),
                self._short_names({change.place.exhibit for change in alike}),
                ", ".join(dict.fromkeys(change.place.server for change in alike)),
            )
            for _, alike in sorted(together.items(), key=lambda item: item[1][0].kind)
        ]

    def server_rows(self) -> list[tuple[Edition, list[ServerRow]]]:
        """Find what several targets answer differently, by the edition that shows it first."""
        found = []
        known: list[tuple[list[Probe], tuple[tuple[Observations, ...], ...]]] = []
        for edition in self.editions if self.targets[1:] else ():
            rows = [
                row for row in self._server_rows(edition) if (row.probes, row.seen) not in known
            ]
            known += [(row.probes, row.seen) for row in rows]
            if rows:
                found.append((edition, rows))
        return found

    def _server_rows(self, edition: Edition) -> list[ServerRow]:
        matrices = [self.matrix(edition, target) for target in self.targets]
        found: dict[tuple[tuple[Observations, ...], ...], tuple[list[Probe], list[Cell]]] = {}
        for probe in matrices[0].probes:
            rows = [
                [cell for cell in matrix.row(probe) if cell.verdict != "n/a"] for matrix in matrices
            ]
            seen = tuple(tuple(dict.fromkeys(cell.seen for cell in row)) for row in rows)
            if len(set(filter(None, seen))) > 1:  # but for targets where nothing applies
                probes, cells = found.setdefault(seen, ([], []))
                probes.append(probe)
                cells += chain.from_iterable(rows)
        return [
            ServerRow(probes, seen, _differences(cells)) for seen, (probes, cells) in found.items()
        ]

    def _short_names(self, ids: set[str]) -> str:
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


def _differences(cells: Iterable[Cell]) -> list[Difference]:
    return list(
        {cell.difference.reason: cell.difference for cell in cells if cell.difference}.values()
    )
