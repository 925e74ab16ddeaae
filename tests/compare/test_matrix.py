"""The probe table against every exhibit, on the wire."""

import json
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from consumers.catalogue import CATALOGUE, Exhibit
from sandbox import compare
from sandbox.compare.differences import OF_SERVERS
from sandbox.compare.observations import Observation, OneOf
from sandbox.compare.output.html import as_html
from sandbox.compare.output.json import as_json
from sandbox.compare.output.markdown import as_markdown
from sandbox.compare.output.words import reason, seen_in_words
from sandbox.compare.report import Report
from sandbox.processes.servers import ARGUMENTS, VARIANTS
from tests.compare.conftest import usual
from tests.test_generated import PARTS, between_marks

EXHIBITS = CATALOGUE
SCHEMA = json.loads(Path(compare.__file__).with_name("schema.json").read_text())


def differing(report: Report, *, server: str, exhibit: str | None = None) -> str:
    return "\n".join(
        f"{cell.exhibit} {cell.probe}: {seen_in_words(cell)} {reason(cell)}"
        for cell in report.of("differs")
        if cell.server == server and exhibit in (None, cell.exhibit)
    )


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.id)
def test_exhibit_does_what_is_on_record(exhibit: Exhibit, report: Report) -> None:
    """On Daphne every cell is as the contract or a declared difference says."""
    asked = [cell for cell in report.cells if cell.exhibit == exhibit.id]
    assert len(asked) == len(usual([exhibit]))
    assert not differing(report, server="daphne", exhibit=exhibit.id)


@pytest.mark.parametrize("server", ARGUMENTS)
def test_server_makes_of_them_what_is_on_record(server: str, all_servers_report: Report) -> None:
    """On every server every cell is as the contract or a declared difference says."""
    assert not differing(all_servers_report, server=server)


@pytest.mark.parametrize("variant", VARIANTS)
def test_variant_makes_of_them_what_is_on_record(variant: str, variants_report: Report) -> None:
    """On every variant of a server every cell is as the contract or a declared difference says."""
    assert any(cell.server == variant for cell in variants_report.cells)
    assert not differing(variants_report, server=variant)


def test_echo_is_the_same_on_daphne(report: Report) -> None:
    """Of echo and the baseline, only what Daphne makes of HTTP needs a declaration on Daphne."""
    declared = {
        cell.difference.reason
        for cell in report.of("declared")
        if cell.exhibit.startswith(("echo/", "baseline/")) and cell.difference
    }
    assert declared <= {row.reason for row in OF_SERVERS}


def test_tutorials_differ_in_ten_ways_or_more(report: Report) -> None:
    """The tutorial edition's differences are on record, each with a reason."""
    rows = [cell for cell in report.of("declared") if cell.exhibit.startswith("tutorial/")]
    assert len({cell.probe for cell in rows}) >= 10
    assert len({reason(cell) for cell in rows}) >= 10


def test_every_cell_shows_its_frames(report: Report) -> None:
    """A cell that was put has its frames in order; one that was not says why."""
    for cell in report.cells:
        if cell.verdict == "n/a":
            assert cell.because
        else:
            assert cell.seen
            # A client that leaves while it waits for the only response receives nothing.
            directions = {True} if cell.probe == "http-leave" else {True, False}
            assert {event.sent for event in cell.events} == directions
            assert [event.at for event in cell.events] == sorted(event.at for event in cell.events)


def test_json_is_what_its_schema_says(report: Report) -> None:
    """The JSON report validates, and holds each probe and each cell once."""
    Draft202012Validator.check_schema(SCHEMA)
    document = json.loads(as_json(report))
    assert [error.json_path for error in Draft202012Validator(SCHEMA).iter_errors(document)] == []
    cells = {(cell["server"], cell["exhibit"], cell["probe"]) for cell in document["cells"]}
    assert len(cells) == len(document["cells"]) == sum(document["summary"].values())
    probes = [probe["id"] for probe in document["probes"]]
    assert len(probes) == len(set(probes))
    crash = next(
        cell
        for cell in document["cells"]
        if (cell["server"], cell["exhibit"], cell["probe"])
        == ("daphne", "tutorial/websocket", "plain-text")
    )
    assert crash["seen"] == {
        "words": "closed 1011",
        "observations": [{"kind": "Closed", "code": 1011}],
    }


def test_schema_knows_every_observation() -> None:
    """Each kind of observation is in the schema with the members that it has, and no other is."""
    kinds = {
        kind["properties"].pop("kind")["const"]: sorted(kind["properties"])
        for kind in deepcopy(SCHEMA["$defs"]["observation"]["oneOf"])
    }
    assert kinds == {
        kind.__name__: sorted(field.name for field in fields(kind))
        for kind in (*get_args(Observation), OneOf)
    }


def test_the_page_has_the_matrix(readme_report: Report) -> None:
    """The matrix of docs/matrix.md is what ``compare echo tutorial --markdown`` writes."""
    part = PARTS["docs/matrix.md matrix"]
    assert part[0] == between_marks(part, as_markdown(readme_report)), "make docs writes it again."


def test_html_needs_no_other_file(readme_report: Report) -> None:
    """The page has every probe and the frames, escaped, and loads nothing."""
    page = as_html(readme_report)
    assert "<h1>Comparison of echo, tutorial</h1>" in page
    assert all(f'"id": "{probe.id}"' in page for probe in readme_report.probes)
    assert "<title>500 Internal Server Error" not in page
    assert "\\u003Ctitle\\u003E500 Internal Server Error" in page
    for loading in ("<link", "<img", " src=", "url(", "@import", "import("):
        assert loading not in page
    assert len(page) < 400_000
