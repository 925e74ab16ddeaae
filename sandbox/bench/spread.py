"""One figure out of many rounds, the latencies by percentile, and what counts as a difference."""

from collections.abc import Iterable, Sequence
from math import ceil, inf
from statistics import median
from typing import TypeAlias

from msgspec import Struct

PERCENTILES = {"p1": 0.01, "p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9}
PERCENTILES |= {"p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


class Spread(Struct, frozen=True):
    """A figure that each round measured: the median, the lowest and the highest of all rounds."""

    median: float
    low: float
    high: float

    def is_apart_from(self, other: "Spread") -> bool:
        """Whether no round of the one lies within the rounds of the other: more than noise.

        This is the one rule by which a difference is stated, here and in every report.
        """
        return self.low > other.high or self.high < other.low

    def over(self, other: "Spread") -> "Spread":
        """How many times as much as the other: the median, and what single rounds allow."""
        return Spread(
            _ratio(self.median, other.median),
            _ratio(self.low, other.high),
            _ratio(self.high, other.low),
        )


Latency: TypeAlias = dict[str, Spread]
"""Milliseconds by percentile, "p50" to "max", of single rounds; empty if nothing was answered."""


def spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def percentiles(latencies: Iterable[float]) -> dict[str, float]:
    """Read the percentiles off seconds, in milliseconds: the smallest that as many are under."""
    ordered = sorted(latencies)
    return {
        name: ordered[max(0, ceil(share * len(ordered)) - 1)] * 1000
        for name, share in PERCENTILES.items()
        if ordered
    }


def latency(rounds: Iterable[Iterable[float]]) -> Latency:
    """Read the percentiles off the seconds of each round that had a reply."""
    found = [percentiles(one) for one in rounds]
    answered = [one for one in found if one]
    return {name: spread([one[name] for one in answered]) for name in PERCENTILES if answered}


def compared(one: Spread, other: Spread) -> str:
    """Say how many times as much the one is, or that there is no difference outside the noise."""
    times = one.over(other)
    if one.is_apart_from(other):
        return f"{ratio(times.median)} ({ratios(times)})"
    return f"no difference ({ratios(times)})"


def ratio(figure: float) -> str:
    return f"{figure:.1f}" if figure >= 2 else f"{figure:.2f}"  # noqa: PLR2004 # two digits


def ratios(times: Spread) -> str:
    return f"{ratio(times.low)} to {ratio(times.high)}"


def _ratio(figure: float, other: float) -> float:
    return figure / other if other else inf
