"""The report as one page that needs nothing else: charts in SVG and CSS, no script."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, inf, log10
from typing import Any, ClassVar

from django.template.defaultfilters import filesizeformat, pluralize
from django.template.loader import render_to_string

from sandbox.bench.report import Latency, Report, Stalled, left_out

EDITIONS = ("baseline", "tuned", "echo", "stock", "tutorial", "rooms", "starlette", "fastapi")
"""Each has a colour of its own, the same in all charts."""


def as_html(report: Report) -> str:
    servers = [(server, list(_charts(report, server.name))) for server in report.servers]
    shown = {exhibit.partition("/")[0] for exhibit in _exhibits(report)}
    editions = [edition for edition in EDITIONS if edition in shown]
    context = {
        "report": report,
        "left_out": left_out(report),
        "servers": servers,
        "editions": editions,
    }
    return render_to_string("bench/output/report.html", context)


def _exhibits(report: Report) -> Iterator[str]:
    for rows in (report.echo, report.latency, report.delay, report.connections, report.fanout):
        yield from (row.exhibit for row in rows)


def _charts(report: Report, server: str) -> Iterator["Bars | Curves | Strips"]:
    def of(rows: Iterable[Any]) -> list[Any]:
        return [row for row in rows if row.server == server]

    for (connections, size), rows in _grouped(
        of(report.echo), lambda row: (row.connections, row.payload_bytes)
    ):
        yield Bars(
            "Throughput as a share of the baseline: "
            f"{connections} connection{pluralize(connections)}, {filesizeformat(size)}",
            "How much of what a bare ASGI callable does on this server each exhibit does, one "
            "request in flight on each connection; the line spans all rounds.",
            [
                Bar(
                    row.exhibit,
                    row.share_of_baseline.median,
                    f"{row.share_of_baseline.median:.2f}",
                    f"{row.per_second.median:,.0f} round trips a second, "
                    f"{row.cpu_microseconds:.0f} µs of the server's processor each",
                    (row.share_of_baseline.low, row.share_of_baseline.high),
                )
                for row in rows
            ],
        )
    for (load,), rows in _grouped(of(report.latency), lambda row: (row.load,)):
        yield Curves(
            f"Latency at {load:.0%} of its own most",
            "How long the slowest replies take when requests come at a steady rate that the "
            "exhibit can bear, counted from when each was due; lower and flatter is better.",
            [(row.exhibit, row.latency) for row in rows if row.latency],
        )
    for (connections, delay), rows in _grouped(
        of(report.delay), lambda row: (row.connections, row.delay)
    ):
        yield Bars(
            f"Waiting: {connections} connection{pluralize(connections)} whose every request waits "
            f"{delay * 1000:.0f} ms",
            "How much of what the waiting itself allows is reached: who runs out of threads falls "
            "behind, who awaits does not.",
            [
                Bar(
                    row.exhibit,
                    row.share_of_ideal.median,
                    f"{row.share_of_ideal.median:.2f}",
                    f"p50 {row.latency.get('p50', inf):.0f} ms",
                    (row.share_of_ideal.low, row.share_of_ideal.high),
                )
                for row in rows
            ],
        )
    if stalls := of(report.stall):
        yield Strips(stalls)
    if idle := of(report.connections):
        most = max(row.asked for row in idle)
        yield Bars(
            f"Memory for each of {most:,} idle connections",
            "What a connection that says nothing costs the server, in KiB; a thread of its own "
            "is most of it where there is one.",
            [
                Bar(
                    row.exhibit,
                    row.kib_each,
                    f"{row.kib_each:.1f} KiB",
                    f"{row.opened:,} opened, {row.per_second:,.0f} a second, "
                    f"{row.threads_each:.2f} threads each, "
                    f"{row.kib_left:,.0f} KiB left when all were gone",
                )
                for row in idle
                if row.asked == most
            ],
        )
    for (layer, processes, members), rows in _grouped(
        of(report.fanout), lambda row: (row.layer, row.processes, row.members)
    ):
        yield Bars(
            f"Rooms of {members}: {layer}, {processes} server process"
            + ("" if processes == 1 else "es"),
            "How many messages a second reach the members of a room, all of them together.",
            [
                Bar(
                    row.exhibit,
                    row.deliveries_per_second.median,
                    f"{row.deliveries_per_second.median:,.0f}",
                    f"p50 {row.latency.get('p50', inf):.1f} ms",
                    (row.deliveries_per_second.low, row.deliveries_per_second.high),
                )
                for row in rows
            ],
        )


def _grouped(
    rows: Iterable[Any], key: Callable[[Any], tuple[Any, ...]]
) -> list[tuple[tuple[Any, ...], list[Any]]]:
    return [(values, list(group)) for values, group in groupby(sorted(rows, key=key), key)]


@dataclass(frozen=True, slots=True)
class Bar:
    exhibit: str
    value: float
    figure: str
    says: str
    spread: tuple[float, float] | None = None

    @property
    def edition(self) -> str:
        return self.exhibit.partition("/")[0]


class Bars:
    """Bars of which the longest is as wide as the page lets it."""

    template = "bench/output/bars.html"

    def __init__(self, title: str, sentence: str, bars: Sequence[Bar]) -> None:
        self.title, self.sentence = title, sentence
        longest = max((max(bar.value, *(bar.spread or (0.0,))) for bar in bars), default=0.0) or 1.0
        self.rows = [
            {
                "bar": bar,
                "length": max(bar.value, 0) / longest * 100,
                "low": bar.spread and bar.spread[0] / longest * 100,
                "span": bar.spread and (bar.spread[1] - bar.spread[0]) / longest * 100,
            }
            for bar in bars
        ]


class Curves:
    """Latency by percentile, one panel for each consumer type, one line for each edition."""

    template = "bench/output/curves.html"
    WIDTH: ClassVar[int] = 260
    HEIGHT: ClassVar[int] = 160
    # Each further nine is as wide as the one before; the slowest of all has no place of its own.
    PLACES: ClassVar[dict[str, float]] = {
        "p50": 0.3, "p75": 0.6, "p90": 1, "p95": 1.3, "p99": 2, "p99.9": 3, "max": 3.5,
    }  # fmt: skip
    TYPES: ClassVar[dict[str, tuple[str, ...]]] = {
        "websocket": ("baseline/websocket",),
        "async-websocket": ("baseline/websocket", "starlette/websocket", "fastapi/websocket"),
        "json-websocket": ("baseline/websocket",),
        "async-json-websocket": ("baseline/websocket",),
        "async-http": ("baseline/http", "starlette/http", "fastapi/http"),
    }
    """Who else belongs beside the exhibits of each type."""

    def __init__(self, title: str, sentence: str, curves: Sequence[tuple[str, Latency]]) -> None:
        self.title, self.sentence = title, sentence
        every = [latency[name] for _, latency in curves for name in self.PLACES]
        self.bottom = floor(log10(min(every, default=1)))
        self.top = max(ceil(log10(max(every, default=1))), self.bottom + 1)
        self.x_ticks = [(self._x(self.PLACES[name]), name) for name in ("p50", "p90", "p99", "max")]
        self.y_ticks = [
            (self._y(10.0**power), f"{10.0**power:g} ms")
            for power in range(self.bottom, self.top + 1)
        ]
        self.panels = []
        for type_, beside in self.TYPES.items():
            lines = [
                {
                    "exhibit": exhibit,
                    "edition": exhibit.partition("/")[0],
                    "points": " ".join(
                        f"{self._x(place):.1f},{self._y(latency[name]):.1f}"
                        for name, place in self.PLACES.items()
                    ),
                    "says": f"{exhibit}: p50 {latency['p50']:.2f} ms, "
                    f"p99 {latency['p99']:.2f} ms, max {latency['max']:.1f} ms",
                }
                for exhibit, latency in curves
                if exhibit in beside or self._is_of(exhibit, type_)
            ]
            if any(line["exhibit"] not in beside for line in lines):
                self.panels.append((type_, lines))

    @staticmethod
    def _is_of(exhibit: str, type_: str) -> bool:
        edition, _, slug = exhibit.partition("/")
        return slug == type_ and edition not in {"baseline", "starlette", "fastapi"}

    def _x(self, place: float) -> float:
        first, last = self.PLACES["p50"], self.PLACES["max"]
        return (place - first) / (last - first) * self.WIDTH

    def _y(self, milliseconds: float) -> float:
        return (self.top - log10(milliseconds)) / (self.top - self.bottom) * self.HEIGHT


class Strips:
    """A row for each neighbour, time from left to right, darker where replies took longer."""

    template = "bench/output/strips.html"
    title = "Stall: what the neighbours wait while one exhibit blocks for a second"
    sentence = (
        "Each row is a neighbour, each cell the slowest of its replies in a twentieth of a second; "
        "a dark wedge means that everybody behind it stood still."
    )
    SHADES: ClassVar[dict[float, str]] = {
        5: "under 5 ms", 20: "under 20", 100: "under 100", 500: "under 500", inf: "more",
    }  # fmt: skip
    CELL: ClassVar[int] = 7
    ROW: ClassVar[int] = 14

    def __init__(self, stalls: Sequence[Stalled]) -> None:
        self.legend = list(enumerate(self.SHADES.values()))
        self.width = max(len(row.trace) for row in stalls) * self.CELL
        self.panels = [
            (f"{blocker} blocks", [self._row(number, row) for number, row in enumerate(rows)])
            for (blocker,), rows in _grouped(stalls, lambda row: (row.blocker,))
        ]
        self.height = max(len(rows) for _, rows in self.panels) * self.ROW

    def _row(self, number: int, row: Stalled) -> dict[str, Any]:
        return {
            "name": row.neighbour,
            "y": number * self.ROW,
            "says": f"p99 {row.added_p99.median:+.0f} ms",
            "cells": [
                (place * self.CELL, self._shade(slowest)) for place, slowest in enumerate(row.trace)
            ],
        }

    def _shade(self, milliseconds: float) -> int:
        return next(n for n, limit in enumerate(self.SHADES) if milliseconds < limit)
