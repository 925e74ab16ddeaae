"""The report as the README's tables."""

from collections import Counter
from collections.abc import Iterable, Iterator

from sandbox.compare.engine import Verdict
from sandbox.compare.output.words import alternatives, reason, seen_in_words
from sandbox.compare.report import LEGEND, Report


def as_markdown(report: Report) -> str:
    """Write the matrix of one server, or how several servers differ."""
    tables = _matrices if len(report.targets) == 1 else _servers
    return "\n".join(tables(report)).strip() + "\n"


def _matrices(report: Report) -> Iterator[str]:
    """Yield a row for each group of probes; then the differences, a row for each reason."""
    for verdict, meaning in LEGEND.items():
        yield f"- **{verdict}**: {meaning}"
    for matrix in report.matrices():
        heading = f"**{matrix.edition.name}** on {matrix.target.name}, {len(matrix.probes)} probes"
        yield f"\n{heading}: {matrix.edition.sentence}\n"
        yield from _head("", [f"`{exhibit.slug}`" for exhibit in matrix.exhibits])
        for group, asked in matrix.groups():
            columns = zip(*(matrix.row(probe) for probe in asked), strict=True)
            counts = [_count_words(Counter(cell.verdict for cell in cells)) for cells in columns]
            yield _row(f"{group} ({len(asked)})", counts)
    rows = report.cell_rows("declared")
    if rows:
        yield ""
        yield from _head("declared difference", ["probes", "seen instead"])
    for because in dict.fromkeys(reason(row.cell) for row in rows):
        its_rows = [row for row in rows if reason(row.cell) == because]
        probes = dict.fromkeys(probe for row in its_rows for probe in row.probes)
        seen = dict.fromkeys(_codes([seen_in_words(row.cell)]) for row in its_rows)
        yield _row(because, [_codes(probes), "<br>".join(seen)])


def _servers(report: Report) -> Iterator[str]:
    for edition, rows in report.server_rows():
        yield ""
        servers = [target.name for target in report.targets]
        yield from _head(f"`{edition.name}`", [*servers, "why"])
        for row in rows:
            probes = _codes(probe.id for probe in row.probes)
            seen = [_codes([alternatives(seen)]) for seen in row.seen]
            yield _row(probes, [*seen, " ".join(row.reasons)])


def _count_words(count: Counter[Verdict]) -> str:
    present = [verdict for verdict in LEGEND if count[verdict]]
    if len(present) == 1:
        return present[0]
    return ", ".join(f"{count[verdict]} {verdict}" for verdict in present)


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words if word)


def _head(first: str, columns: list[str]) -> list[str]:
    return [_row(first, columns), "|---" * (len(columns) + 1) + "|"]


def _row(first: str, columns: list[str]) -> str:
    return "| " + " | ".join(column.replace("|", r"\|") for column in [first, *columns]) + " |"
