"""docs/servers.md shows what is declared of the servers.

``python -m tests.compare.test_servers_page`` writes it again.
"""

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

from sandbox.compare.differences import OF_SERVERS
from sandbox.compare.output.html import as_html
from sandbox.compare.output.json import as_json
from sandbox.compare.output.markdown import as_markdown
from sandbox.compare.output.servers import as_page
from sandbox.compare.output.terminal import show
from sandbox.compare.report import Report

PAGE = Path(__file__).parent.parent.parent / "docs" / "servers.md"
TABLES = re.compile(r"(?<=<!-- differences -->\n).*(?=<!-- /differences -->)", re.DOTALL)
CURE, LINK = "Put a proxy in front.", "https://github.com/django/daphne/issues/374"


def test_the_page_is_what_is_declared() -> None:
    """The tables of docs/servers.md are those that the declared differences make."""
    (tables,) = TABLES.findall(PAGE.read_text())

    assert tables.strip() == as_page().strip()


def test_the_page_has_each_difference_of_a_server() -> None:
    """Each reason, each cure and each link is on the page."""
    page = as_page()
    for row in OF_SERVERS:
        assert {row.reason in page, row.cure in page, row.link in page} == {True}, row


def test_every_output_says_what_to_do_and_where_to_read_on(readme_report: Report) -> None:
    """A declared difference is shown with its cure and its link, whatever the output."""
    cells = readme_report.of("declared")
    difference = cells[0].difference
    assert difference
    mended = replace(cells[0], difference=replace(difference, cure=CURE, link=LINK))
    report = replace(readme_report, cells=(mended, *cells[1:]))
    terminal = StringIO()
    show(report, Console(file=terminal, width=100))

    assert f"to do: {CURE}\n  see: {LINK}\n" in terminal.getvalue()
    assert as_html(report).count(f'{CURE} <a href="{LINK}">{LINK}</a>') == 2
    assert f'"cure": "{CURE}",\n   "link": "{LINK}"' in as_json(report)
    assert f"{CURE} ([daphne#374]({LINK}))" in as_markdown(report)


def write() -> None:
    PAGE.write_text(TABLES.sub(lambda _: f"\n{as_page()}\n", PAGE.read_text()))


if __name__ == "__main__":
    write()
