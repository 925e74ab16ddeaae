"""docs/servers.md shows what is declared of the servers."""

from collections.abc import Iterator
from io import StringIO

from rich.console import Console

from consumers.catalogue import CATALOGUE, Exhibit
from sandbox.compare.differences import OF_SERVERS, SERVERS, Difference, declared
from sandbox.compare.engine import Cell, Target
from sandbox.compare.observations import Closed, Expected
from sandbox.compare.output.html import as_html
from sandbox.compare.output.json import as_json
from sandbox.compare.output.markdown import as_markdown, because, codes, table_head, table_row
from sandbox.compare.output.terminal import show
from sandbox.compare.output.words import in_words
from sandbox.compare.probe import Probe
from sandbox.compare.probes import TABLES
from sandbox.compare.report import Report

CURE, LINK = "Put a proxy in front.", "https://github.com/django/daphne/issues/374"


def as_page() -> str:
    """Write a table for each group of probes: what each server shows, why, and what to do."""
    return "\n".join(_page())


def _page() -> Iterator[str]:
    groups: dict[str, list[Probe]] = {}
    for probe in _probes():
        groups.setdefault(probe.group, []).append(probe)
    for group, probes in groups.items():
        yield f"\n### {group}\n"
        yield from table_head("", [server.title() for server in SERVERS] + ["why, and what to do"])
        alike: dict[tuple[object, ...], list[Probe]] = {}
        for probe in probes:
            key = (_seen(probe), tuple(map(id, _rows(probe))))
            alike.setdefault(key, []).append(probe)
        for its_probes in alike.values():
            seen = _seen(its_probes[0])
            rows = {id(row): row for row in _rows(its_probes[0]) if row}
            names = "<br>".join(f"`{probe.id}`: {probe.sentence}" for probe in its_probes)
            why = "<br>".join(map(because, rows.values()))
            yield table_row(names, [*(codes([in_words(one)]) for one in seen), why])


def _probes() -> list[Probe]:
    """Those of which a row of OF_SERVERS speaks, each once, in the order of the tables."""
    spoken_of = {
        probe
        for difference in OF_SERVERS
        if not set(SERVERS).isdisjoint(difference.servers)
        for probe in difference.seen
    }
    probes = {probe.id: probe for table in TABLES.values() for probe in table}
    return [probe for probe in probes.values() if probe.id in spoken_of]


def _rows(probe: Probe) -> list[Difference | None]:
    """Return what is declared of each server."""
    return [declared(probe.id, _exhibit(probe).id, server) for server in SERVERS]


def _seen(probe: Probe) -> tuple[Expected, ...]:
    """Return what each server shows."""
    return tuple(row.seen[probe.id] if row else probe.expected for row in _rows(probe))


def _exhibit(probe: Probe) -> Exhibit:
    """Return the first one that shows a difference."""
    return next(
        one
        for one in CATALOGUE
        if probe in TABLES[one.edition.probes]
        and probe.applies_to(one.protocol)
        and any(declared(probe.id, one.id, server) for server in SERVERS)
    )


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
