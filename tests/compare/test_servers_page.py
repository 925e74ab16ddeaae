"""docs/servers.md shows what is declared of the servers.

``python -m tests.compare.test_servers_page`` writes it again.
"""

import re
from io import StringIO
from pathlib import Path

from rich.console import Console

from consumers.catalogue import CATALOGUE
from sandbox.compare.differences import OF_SERVERS, SERVERS, Difference
from sandbox.compare.engine import Cell, Target
from sandbox.compare.observations import Closed
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
    """Each reason, each cure and each link is on the page, but for variants of a server."""
    page = as_page()
    for row in (row for row in OF_SERVERS if not set(SERVERS).isdisjoint(row.servers)):
        assert {row.reason in page, row.cure in page, row.link in page} == {True}, row


def test_every_output_says_what_to_do_and_where_to_read_on() -> None:
    """A declared difference is shown with its cure and its link, whatever the output."""
    exhibit = CATALOGUE[0]
    seen = (Closed(1006),)
    difference = Difference("It is so.", ("*",), {"null": seen}, cure=CURE, link=LINK)
    cell = Cell("uvicorn", exhibit.id, "null", "declared", seen, seen, difference)
    target = Target("uvicorn", "1.0", "http://127.0.0.1:1")
    report = Report("2026-01-01T00:00:00+00:00", 1.0, (target,), (exhibit,), (cell,))
    terminal = StringIO()
    show(report, Console(file=terminal, width=100))

    assert f"to do: {CURE}\n  see: {LINK}\n" in terminal.getvalue()
    assert as_html(report).count(f'{CURE} <a href="{LINK}">{LINK}</a>') == 1
    assert f'"cure": "{CURE}",\n   "link": "{LINK}"' in as_json(report)
    assert f"It is so. {CURE} ([daphne#374]({LINK}))" in as_markdown(report)


def write() -> None:
    PAGE.write_text(TABLES.sub(lambda _: f"\n{as_page()}\n", PAGE.read_text()))


if __name__ == "__main__":
    write()
