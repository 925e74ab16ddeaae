"""Latencies as HdrHistograms: the whole distribution, in a form that other programs read."""

from collections.abc import Iterable, Iterator
from math import log10
from typing import Any

from hdrh.histogram import HdrHistogram

LOWEST, HIGHEST, DIGITS = 1, 60_000_000, 3
"""The range in microseconds, and to how many digits. A reply never takes longer."""
STEPS = 5
"""For each halving of the distance to the slowest: what HdrHistogram's own programs write."""
HEADER = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"


def encoded(latencies: Iterable[float]) -> str:
    """Write seconds as HdrHistogram's own compressed form, in microseconds."""
    histogram = HdrHistogram(LOWEST, HIGHEST, DIGITS)
    for latency in latencies:
        histogram.record_value(min(max(round(latency * 1e6), LOWEST), HIGHEST))
    return bytes(histogram.encode()).decode()


def points(text: str) -> Iterator[tuple[float, float]]:
    """Give how many nines a percentile has, and its milliseconds: 90 has one, 99 has two.

    The slowest of all, which has any number of nines, is where the one before it would be followed.
    """
    histogram = HdrHistogram.decode(text)
    most = log10(histogram.get_total_count() or 1)
    for value, percentile, _ in _steps(histogram):
        nines = most if percentile == 1 else -log10(1 - percentile)
        if nines <= most:
            yield nines, value


def hgrm(text: str) -> str:
    """Write the percentiles as text, in milliseconds, as HdrHistogram's plotters read it."""
    histogram = HdrHistogram.decode(text)
    lines = [
        f"{value:12.3f} {percentile:2.12f} {count:10d}"
        + (f" {1 / (1 - percentile):14.2f}" if percentile < 1 else "")
        for value, percentile, count in _steps(histogram)
    ]
    mean, deviation = histogram.get_mean_value() / 1000, histogram.get_stddev() / 1000
    slowest, count = histogram.get_max_value() / 1000, histogram.get_total_count()
    buckets, parts = histogram.bucket_count, histogram.sub_bucket_count
    lines += [
        f"#[Mean    = {mean:12.3f}, StdDeviation   = {deviation:12.3f}]",
        f"#[Max     = {slowest:12.3f}, Total count    = {count:12d}]",
        f"#[Buckets = {buckets:12d}, SubBuckets     = {parts:12d}]",
    ]
    return HEADER + "\n".join(lines) + "\n"


def _steps(histogram: Any) -> Iterator[tuple[float, float, int]]:
    """Give milliseconds, the share of the replies that took no longer, and how many these are."""
    for step in histogram.get_percentile_iterator(STEPS):
        yield (
            step.value_iterated_to / 1000,
            step.percentile_level_iterated_to / 100,
            step.total_count_to_this_value,
        )
