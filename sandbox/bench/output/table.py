"""A table as data, and how its cells are written. The terminal draws it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.bar import Bar
from rich.console import RenderableType

from sandbox.bench.spread import Latency, Spread

BAR, SPREAD = "bar", "low-high"
"""Headings of columns with a width of their own."""
BAR_WIDTH = 6
LONG_MS = 100
KIB = 1024


@dataclass(frozen=True, slots=True)
class Column:
    heading: str
    cell: Callable[[Any], RenderableType]
    """Given a row of the experiment."""


@dataclass(frozen=True, slots=True)
class TableRow:
    exhibit: str
    errors: int
    cells: Sequence[RenderableType]


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    headings: Sequence[str]
    rows: Sequence[TableRow]


def share_columns(heading: str, spread: Callable[[Any], Spread]) -> tuple[Column, ...]:
    """Show a share as a bar, its median, and its range."""
    return (
        Column(BAR, lambda row: Bar(1.0, 0.0, min(spread(row).median, 1.0), width=BAR_WIDTH)),
        Column(heading, lambda row: f"{spread(row).median:.2f}"),
        Column(SPREAD, lambda row: low_high(spread(row), ".2f")),
    )


def latency_columns(*percentiles: str) -> tuple[Column, ...]:
    return tuple(Column(f"{name} ms", partial(_latency, percentile=name)) for name in percentiles)


def _latency(row: Any, percentile: str) -> str:
    return milliseconds(row.latency, percentile)


def milliseconds(latency: Latency, percentile: str) -> str:
    if not latency:
        return "-"
    value = latency[percentile].median
    return f"{value:.3g}" if value < LONG_MS else f"{value:,.0f}"


def low_high(spread: Spread, format_: str) -> str:
    return f"{spread.low:{format_}}-{spread.high:{format_}}"


def size(count: int) -> str:
    return f"{count / KIB:g} KiB" if count % KIB == 0 else f"{count} bytes"


def many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"
