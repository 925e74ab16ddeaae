"""Whole distributions: what ``--hgrm`` writes is what HdrHistogram's plotters read."""

import re
from array import array
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram

from sandbox.bench.experiments.latency import LatencyRow
from sandbox.bench.histogram import encoded, hgrm, points
from sandbox.bench.load import Sample, uncorrected
from sandbox.bench.output.hgrm import write_hgrm
from sandbox.bench.report import Report
from sandbox.bench.spread import Spread

SECONDS = [number / 1000 for number in range(1, 1001)]
LINE = re.compile(r"^ *([\d.]+) ([\d.]+) +(\d+)(?: +([\d.]+))?$")


def read(text: str) -> list[tuple[float, float, int]]:
    """Read the file as a plotter does: all lines but the heading and those that begin with #."""
    heading, *lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert heading.split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    found = []
    for line in lines:
        match = LINE.match(line)
        assert match, line
        value, percentile, count, distance = match.groups()
        if distance:
            assert float(distance) == pytest.approx(1 / (1 - float(percentile)), rel=0.01)
        found.append((float(value), float(percentile), int(count)))
    return found


def test_the_text_has_the_distribution() -> None:
    """Percentiles grow to 1, their values are milliseconds, and no reply is left out."""
    rows = read(hgrm(encoded(SECONDS)))

    assert rows == sorted(rows)
    for value, percentile, count in rows:
        assert count >= percentile * 1000 - 1e-6
        assert value == pytest.approx(count, rel=0.002)
    assert (rows[-1][1], rows[-1][2]) == (1, 1000)
    assert "#[Max     =     1000.447, Total count    =         1000]" in hgrm(encoded(SECONDS))
    assert re.search(
        r"#\[Mean    = +500\.\d+, StdDeviation   = +288\.\d+\]", hgrm(encoded(SECONDS))
    )


def test_the_compressed_form_is_that_of_hdrhistogram() -> None:
    """HdrHistogram itself decodes what is in the JSON, in microseconds."""
    histogram = HdrHistogram.decode(encoded(SECONDS))

    assert histogram.get_total_count() == 1000
    assert histogram.get_value_at_percentile(99) == pytest.approx(990_000, rel=0.001)


def test_a_curve_ends_with_the_slowest() -> None:
    """Of a thousand replies the slowest stands at three nines, the median at 0.3."""
    curve = list(points(encoded(SECONDS)))

    nines, value = curve[-1]
    assert nines == pytest.approx(3)
    assert value == pytest.approx(1000, rel=0.001)
    assert all(0 <= one <= 3 for one, _ in curve)
    assert any(0.25 < one < 0.35 and 440 < value < 560 for one, value in curve)
    assert list(points(encoded([]))) == []


def test_a_client_that_waits_hides_what_a_stall_costs() -> None:
    """Ten requests due during a stall of a second: not corrected, only the first one waits."""
    due = [number / 10 for number in range(10)]
    replies = [1.0 + number / 1000 for number in range(10)]
    latencies = [reply - at for reply, at in zip(replies, due, strict=True)]

    counted = uncorrected(Sample(1.0, array("d", due), array("d", latencies), 0))

    assert min(latencies) > 0.1
    assert counted[0] == 1.0
    assert list(counted[1:]) == pytest.approx([0.001] * 9)


def test_each_curve_has_a_file(tmp_path: Path) -> None:
    """Server, exhibit and load are in the name, and both ways to count are written."""
    report = Report("", {}, {}, "", 1, 0.1)
    report.results["latency"] = [
        LatencyRow(
            server="daphne", exhibit="echo/websocket", connections=1, load=0.5, latency={},
            uncorrected={}, rate=Spread(1, 1, 1), histogram=encoded(SECONDS),
            uncorrected_histogram=encoded(SECONDS[:10]),
        )
    ]  # fmt: skip

    files = write_hgrm(report, tmp_path / "run.hgrm")

    assert [file.name for file in files] == [
        "run.daphne.echo-websocket.50.hgrm",
        "run.daphne.echo-websocket.50.not-corrected.hgrm",
    ]
    assert [read(file.read_text())[-1][2] for file in files] == [1000, 10]
