"""The report as the tables of docs/matrix.md."""

from collections import Counter
from collections.abc import Iterable, Iterator

from sandbox.compare.differences import Difference
from sandbox.compare.engine import Cell, Verdict
from sandbox.compare.output.words import alternatives, issue_name, reason, seen_in_words
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
        yield from table_head("", [f"`{exhibit.slug}`" for exhibit in matrix.exhibits])
        for group, asked in matrix.groups():
            columns = zip(*(matrix.row(probe) for probe in asked), strict=True)
            counts = [_count_words(Counter(cell.verdict for cell in cells)) for cells in columns]
            yield table_row(f"{group} ({len(asked)})", counts)
    rows = report.cell_rows("declared")
    if rows:
        yield ""
        yield from table_head("declared difference", ["probes", "seen instead"])
    for why in dict.fromkeys(_why(row.cell) for row in rows):
        its_rows = [row for row in rows if _why(row.cell) == why]
        probes = dict.fromkeys(probe for row in its_rows for probe in row.probes)
        seen = dict.fromkeys(codes([seen_in_words(row.cell)]) for row in its_rows)
        yield table_row(why, [codes(probes), "<br>".join(seen)])


def _servers(report: Report) -> Iterator[str]:
    for edition, rows in report.server_rows():
        yield ""
        servers = [target.name for target in report.targets]
        yield from table_head(f"`{edition.name}`", [*servers, "why"])
        for row in rows:
            probes = codes(probe.id for probe in row.probes)
            seen = [codes([alternatives(seen)]) for seen in row.seen]
            yield table_row(probes, [*seen, " ".join(map(because, row.differences))])


def because(difference: Difference) -> str:
    """Say why, what to do about it, and where it is discussed."""
    link = f"([{issue_name(difference.link)}]({difference.link}))" if difference.link else ""
    return " ".join(filter(None, [difference.reason, difference.cure, link]))


def _why(cell: Cell) -> str:
    return (
        because(cell.difference) if cell.verdict == "declared" and cell.difference else reason(cell)
    )


def _count_words(count: Counter[Verdict]) -> str:
    present = [verdict for verdict in LEGEND if count[verdict]]
    if len(present) == 1:
        return present[0]
    return ", ".join(f"{count[verdict]} {verdict}" for verdict in present)


def codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words if word)


def table_head(first: str, columns: list[str]) -> list[str]:
    return [table_row(first, columns), "|---" * (len(columns) + 1) + "|"]


def table_row(first: str, columns: list[str]) -> str:
    return "| " + " | ".join(column.replace("|", r"\|") for column in [first, *columns]) + " |"
