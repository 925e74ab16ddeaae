"""Editions that differ in one thing, and how much that changes a figure, type by type."""

from collections.abc import Iterator, Mapping

from sandbox.bench.exhibits import group
from sandbox.bench.output.table import Table, TableRow
from sandbox.bench.spread import Spread, compared

PAIRS = (
    ("robustness", "echo", "tutorial"),
    ("isolation", "echo", "stock"),
    ("mixins", "tuned", "stock"),
    ("mixins", "tuned-rooms", "rooms"),
)
"""What it is that they differ in, and the two editions."""


def comparisons(title: str, found: Mapping[str, Spread]) -> Iterator[Table]:
    """Compare the exhibits in which a figure was found, given by id, if any two make a pair."""
    groups = {group(exhibit) for exhibit in found}
    pairs = [pair for pair in PAIRS if groups.issuperset(pair[1:])]
    slugs = dict.fromkeys(exhibit.partition("/")[2] for exhibit in found)
    rows = [
        TableRow(slug, 0, [_cell(found, slug, one, other) for _, one, other in pairs])
        for slug in slugs
        if any({f"{one}/{slug}", f"{other}/{slug}"} <= found.keys() for _, one, other in pairs)
    ]
    if rows:
        yield Table(title, [f"{what}: {one} over {other}" for what, one, other in pairs], rows)


def _cell(found: Mapping[str, Spread], slug: str, one: str, other: str) -> str:
    sides = [found[exhibit] for exhibit in (f"{one}/{slug}", f"{other}/{slug}") if exhibit in found]
    return compared(*sides) if len(sides) == 2 else "-"  # noqa: PLR2004 # both
