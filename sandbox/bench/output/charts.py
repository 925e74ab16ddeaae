"""Charts as data: what is where. A template each draws them in SVG and CSS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, log10
from typing import Any, ClassVar

from sandbox.bench.exhibits import BY_ID, Exhibit, group
from sandbox.bench.spread import Spread


class Chart:
    template: ClassVar[str]

    def __init__(self, title: str, caption: str) -> None:
        self.title, self.caption = title, caption


@dataclass(frozen=True, slots=True)
class Bar:
    exhibit: str
    value: float
    figure: str
    """The value in words, at the end of the bar."""
    tooltip: str
    spread: Spread

    @property
    def group(self) -> str:
        return group(self.exhibit)


class Bars(Chart):
    """Bars of which the longest is as wide as the page lets it, with the range of all rounds."""

    template = "bench/output/bars.html"

    def __init__(self, title: str, caption: str, bars: Sequence[Bar]) -> None:
        super().__init__(title, caption)
        longest = max((max(bar.value, bar.spread.high) for bar in bars), default=0.0) or 1.0
        self.rows = [
            {
                "bar": bar,
                "length": max(bar.value, 0) / longest * 100,
                "low": max(bar.spread.low, 0) / longest * 100,
                "span": (max(bar.spread.high, 0) - max(bar.spread.low, 0)) / longest * 100,
            }
            for bar in bars
        ]


@dataclass(frozen=True, slots=True)
class Part:
    """A row of a waterfall: a whole if it begins at 0, else what is added to another row."""

    name: str
    begin: float
    end: float
    figure: str
    tooltip: str
    is_certain: bool = True
    """Whether it is more than noise."""


class Waterfall(Chart):
    """Bars below one another, each of which begins where an earlier one ends."""

    template = "bench/output/waterfall.html"

    def __init__(self, title: str, caption: str, parts: Sequence[Part]) -> None:
        super().__init__(title, caption)
        longest = max((max(part.begin, part.end) for part in parts), default=0.0) or 1.0
        self.rows = [
            {
                "part": part,
                "kind": ("less" if part.end < part.begin else "more") if part.begin else "whole",
                "left": min(part.begin, part.end) / longest * 100,
                "width": abs(part.end - part.begin) / longest * 100,
            }
            for part in parts
        ]


@dataclass(frozen=True, slots=True)
class Curve:
    """Latencies, each given as the nines of its percentile and milliseconds."""

    exhibit: str
    points: Sequence[tuple[float, float]]
    uncorrected: Sequence[tuple[float, float]]
    tooltip: str


class Curves(Chart):
    """Latency by percentile, one panel for each consumer type, two curves for each edition.

    Each panel has the baseline of its protocol too, and that of an async type the other frameworks.
    """

    template = "bench/output/curves.html"
    WIDTH: ClassVar[int] = 260
    HEIGHT: ClassVar[int] = 160
    # Each further nine is as wide as the one before.
    FIRST: ClassVar[float] = 0.3
    TICKS: ClassVar[dict[float, str]] = {
        FIRST: "p50", 1: "p90", 2: "p99", 3: "p99.9", 4: "p99.99",
    }  # fmt: skip

    def __init__(self, title: str, caption: str, curves: Sequence[Curve]) -> None:
        super().__init__(title, caption)
        every = [point for one in curves for point in (*one.points, *one.uncorrected)]
        values = [value for nines, value in every if nines >= self.FIRST]
        self.last = max([1.0, *(nines for nines, _ in every)])
        self.bottom = floor(log10(min(values, default=1)))
        self.top = max(ceil(log10(max(values, default=1))), self.bottom + 1)
        self.x_ticks = [
            (self._x(nines), name) for nines, name in self.TICKS.items() if nines <= self.last
        ]
        self.y_ticks = [
            (self._y(10.0**power), f"{10.0**power:g} ms")
            for power in range(self.bottom, self.top + 1)
        ]
        measured = {one.exhibit for one in curves}
        types = {
            exhibit.slug: exhibit
            for exhibit in BY_ID.values()
            if exhibit.id in measured and not exhibit.is_reference
        }
        self.panels = [
            (
                slug,
                [
                    {
                        "group": group(curve.exhibit),
                        "points": self._polyline(curve.points),
                        "uncorrected": self._polyline(curve.uncorrected),
                        "tooltip": curve.tooltip,
                    }
                    for curve in curves
                    if self._belongs(BY_ID[curve.exhibit], one)
                ],
            )
            for slug, one in types.items()
        ]

    def _polyline(self, points: Sequence[tuple[float, float]]) -> str:
        return " ".join(
            f"{self._x(nines):.1f},{self._y(value):.1f}"
            for nines, value in points
            if nines >= self.FIRST
        )

    @staticmethod
    def _belongs(exhibit: Exhibit, one: Exhibit) -> bool:
        """Whether the panel for the type of ``one`` has a curve for an exhibit."""
        if not exhibit.is_reference:
            return exhibit.slug == one.slug
        return exhibit.scheme == one.scheme and (exhibit.is_baseline or not one.is_sync)

    def _x(self, nines: float) -> float:
        return (nines - self.FIRST) / (self.last - self.FIRST) * self.WIDTH

    def _y(self, milliseconds: float) -> float:
        return (self.top - log10(milliseconds)) / (self.top - self.bottom) * self.HEIGHT


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity over time."""

    title: str
    unit: str
    minutes: Sequence[float]
    values: Sequence[float]
    is_marked: Sequence[bool]
    """Which of them have a dot."""


class Lines(Chart):
    """One panel for each quantity, all over the same time, each from zero."""

    template = "bench/output/lines.html"
    WIDTH: ClassVar[int] = 260
    HEIGHT: ClassVar[int] = 110

    def __init__(self, title: str, caption: str, lines: Sequence[Line]) -> None:
        super().__init__(title, caption)
        self.panels = [self._panel(line) for line in lines]

    def _panel(self, line: Line) -> dict[str, Any]:
        last = max(line.minutes, default=0.0) or 1.0
        largest = max(line.values, default=0.0)
        top = largest or 1.0
        points = [
            (minute / last * self.WIDTH, self.HEIGHT - value / top * self.HEIGHT)
            for minute, value in zip(line.minutes, line.values, strict=True)
        ]
        ends = f"{line.values[0]:,.0f} to {line.values[-1]:,.0f}" if line.values else "nothing"
        return {
            "title": line.title,
            "tooltip": f"{line.title}: {ends} {line.unit}, at most {largest:,.0f}",
            "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in points),
            "dots": [
                (f"{x:.1f}", f"{y:.1f}")
                for (x, y), is_marked in zip(points, line.is_marked, strict=True)
                if is_marked
            ],
            "y_ticks": [(0, f"{top:,.0f} {line.unit}"), (self.HEIGHT, "0")],
            "x_ticks": [(0, "0"), (self.WIDTH, f"{last:.2g} min")],
        }


@dataclass(frozen=True, slots=True)
class Strip:
    name: str
    note: str
    """At the end of the strip."""
    tooltip: str
    trace: Sequence[float]
    """The worse, the darker, from left to right: milliseconds unless the chart says otherwise."""


class Strips(Chart):
    """A strip for each exhibit, time from left to right, darker where it was worse."""

    template = "bench/output/strips.html"
    SHADES: ClassVar[dict[float, str]] = {
        5: "under 5 ms", 20: "under 20", 100: "under 100", 500: "under 500", inf: "more",
    }  # fmt: skip
    """The values under each limit have the same shade."""
    CELL: ClassVar[int] = 7
    ROW: ClassVar[int] = 14

    def __init__(
        self,
        title: str,
        caption: str,
        panels: Sequence[tuple[str, Sequence[Strip]]],
        shades: Mapping[float, str] = SHADES,
    ) -> None:
        super().__init__(title, caption)
        self.shades = shades
        self.legend = list(enumerate(shades.values()))
        self.width = max(len(one.trace) for _, strips in panels for one in strips) * self.CELL
        self.height = max(len(strips) for _, strips in panels) * self.ROW
        self.panels = [
            (heading, [self._row(number, strip) for number, strip in enumerate(strips)])
            for heading, strips in panels
        ]

    def _row(self, number: int, strip: Strip) -> dict[str, Any]:
        return {
            "strip": strip,
            "y": number * self.ROW,
            "cells": [
                (place * self.CELL, self._shade(value)) for place, value in enumerate(strip.trace)
            ],
        }

    def _shade(self, value: float) -> int:
        return next(n for n, limit in enumerate(self.shades) if value < limit)
