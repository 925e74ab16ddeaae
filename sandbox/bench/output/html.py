"""The report as one page that needs nothing else: charts in SVG and CSS, no script."""

from collections.abc import Iterator

from django.template.loader import render_to_string

from sandbox.bench.exhibits import GROUPS, group
from sandbox.bench.experiments import experiments
from sandbox.bench.output.charts import Chart
from sandbox.bench.output.table import Table
from sandbox.bench.report import Report
from sandbox.compare.output.html import inlined

COLOURS = 8
"""Those of the template: each group has the same one in all reports."""


def as_html(report: Report) -> str:
    shown = {group(row.exhibit) for rows in report.results.values() for row in rows}
    context = {
        "report": report,
        "style": inlined("site/style.css"),
        "servers": [(server, list(_found(report, server.name))) for server in report.servers],
        "groups": [(name, place % COLOURS) for place, name in enumerate(GROUPS) if name in shown],
    }
    return render_to_string("bench/output/report.html", context)


def _found(report: Report, server: str) -> Iterator[tuple[list[Chart], list[Table]]]:
    """Give the charts of each experiment, and what is compared."""
    for name, experiment in experiments():
        if rows := [row for row in report.results.get(name, ()) if row.server == server]:
            yield list(experiment.charts(rows)), list(experiment.comparisons(rows))
