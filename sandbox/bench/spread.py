"""One figure out of many rounds, and latencies by percentile."""

from collections.abc import Sequence
from math import ceil
from statistics import median
from typing import TypeAlias

from msgspec import Struct

Latency: TypeAlias = dict[str, float]
"""Milliseconds by percentile, "p50" to "max"; empty where nothing was answered."""

PERCENTILES = {"p1": 0.01, "p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9}
PERCENTILES |= {"p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


class Spread(Struct, frozen=True):
    """A figure that each round measured: the median, the lowest and the highest of all rounds."""

    median: float
    low: float
    high: float

    def is_apart_from(self, other: "Spread") -> bool:
        """Whether no round of the one lies within the rounds of the other: more than noise."""
        return self.low > other.high or self.high < other.low


def spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def percentiles(latencies: Sequence[float]) -> Latency:
    """Read the percentiles off seconds, in milliseconds: the smallest that as many are under."""
    ordered = sorted(latencies)
    return {
        name: ordered[max(0, ceil(share * len(ordered)) - 1)] * 1000
        for name, share in PERCENTILES.items()
        if ordered
    }
