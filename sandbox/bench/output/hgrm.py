"""The distributions of ``latency`` as HdrHistogram's text, a file for each curve."""

from pathlib import Path

from sandbox.bench.histogram import hgrm
from sandbox.bench.report import Report


def write_hgrm(report: Report, path: Path) -> list[Path]:
    """Write files whose names begin and end as that of ``path``, and return them."""
    written = []
    for row in report.results.get("latency", ()):
        exhibit = row.exhibit.replace("/", "-")
        curve = f"{row.server}.{exhibit}.{row.load:.0%}".removesuffix("%")
        for kind, histogram in (("", row.histogram), (".not-corrected", row.uncorrected_histogram)):
            file = path.with_name(f"{path.stem}.{curve}{kind}{path.suffix or '.hgrm'}")
            file.write_text(hgrm(histogram))
            written.append(file)
    return written
