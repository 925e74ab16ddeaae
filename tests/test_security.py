"""The table in SECURITY.md says what ``soak`` tried, and what was lost."""

import msgspec

from sandbox.bench.experiments.soak import SoakRow
from sandbox.bench.output.json import from_json
from sandbox.bench.report import Report
from sandbox.choices import RESULTS


def as_table(report: Report) -> str:
    """Say in Markdown what was tried how often on which server, and what was lost."""
    rows: list[SoakRow] = report.results["soak"]
    versions = {server.name: server.version for server in report.servers}
    head = [f"{row.server} {versions[row.server]}" for row in rows]
    table = [
        ("clients", *head),
        ("---", *("---" for _ in rows)),
        *(
            (kinds[0].kind, *(_tried(one.tried, one.wrong) for one in kinds))
            for kinds in zip(*(row.tried for row in rows), strict=True)
        ),
        ("connections that consumers logged", *(f"{row.connects:,}" for row in rows)),
        ("of these without their end", *(f"{row.unpaired:,}" for row in rows)),
        ("tracebacks of the server", *(f"{row.tracebacks:,}" for row in rows)),
        ("growth of memory after the warm-up", *(f"{row.memory_growth:+.1%}" for row in rows)),
    ]
    lasted = ", ".join(f"{row.seconds / 60:.0f} min on {row.server}" for row in rows)
    names = ("python", "django", "channels")
    made_with = ", ".join(f"{name.title()} {report.versions[name]}" for name in names)
    return "\n".join(
        [
            *(f"| {' | '.join(cells)} |" for cells in table),
            "",
            f"Runs of `manage.py bench soak`: {lasted}, {report.started[:10]}, {made_with}.",
        ]
    )


def _tried(tried: int, wrong: int) -> str:
    return f"{tried:,}, {wrong:,} wrong" if wrong else f"{tried:,}"


def test_what_was_lost_is_in_the_table() -> None:
    """A wrong answer and a connection without its end are in the row of their kind and server."""
    report = from_json((RESULTS / "soak.json").read_bytes())
    row: SoakRow = report.results["soak"][0]
    first, *others = row.tried
    lossy = msgspec.structs.replace(first, tried=1234, wrong=5)
    report.results["soak"][0] = msgspec.structs.replace(row, tried=[lossy, *others], unpaired=77)

    table = as_table(report)

    assert f"| {first.kind} | 1,234, 5 wrong |" in table
    assert "| of these without their end | 77 |" in table
