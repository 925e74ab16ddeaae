"""``compare --against``: what is new, gone, changed or the same since an earlier result."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from jsonschema import Draft202012Validator

from consumers.catalogue import CATALOGUE
from sandbox.compare.against import against, read
from sandbox.compare.output.json import as_json
from sandbox.compare.output.matrix import COMMITTED, as_document, committed
from sandbox.compare.probes import TABLES, table
from sandbox.compare.report import Change, Place, Report
from sandbox.processes.servers import Server
from tests.compare.test_matrix import SCHEMA


def changed_by_hand(result: str, folder: Path) -> Path:
    """Write a result in which one cell showed something else, one was missing, one more was."""
    document = json.loads(result)
    first, second, third = (
        next(cell for cell in document["cells"] if (cell["probe"], cell["exhibit"]) == place)
        for place in (
            ("null", "echo/websocket"),
            ("nan", "echo/websocket"),
            ("null", "echo/async-http"),
        )
    )
    first["seen"] = {"words": "closed 1011", "observations": [{"kind": "Closed", "code": 1011}]}
    document["cells"].remove(second)
    document["cells"].append({**third, "probe": "no-longer"})
    file = folder / "earlier.json"
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize("write", [as_json, as_document], ids=["json", "matrix"])
def test_a_run_is_the_same_as_itself(write: Any, readme_report: Report, tmp_path: Path) -> None:
    """A result read back from what either output has written has every cell as it was."""
    file = tmp_path / "earlier.json"
    file.write_text(write(readme_report))
    changes = against(readme_report, read(file))
    assert changes.count == {"changed": 0, "gone": 0, "new": 0, "same": len(readme_report.cells)}
    assert changes.earlier == readme_report.started
    assert changes.is_good


def test_each_change_is_found(readme_report: Report, tmp_path: Path) -> None:
    """A cell that showed something else has changed; one that was missing is new, one more gone."""
    changes = against(readme_report, read(changed_by_hand(as_json(readme_report), tmp_path)))
    assert set(changes.changes) == {
        Change(
            "changed",
            Place("daphne", "echo/websocket", "null"),
            "same: closed 1011",
            'same: {"message":null}',
        ),
        Change("new", Place("daphne", "echo/websocket", "nan"), "", "same: error invalid_json"),
        Change(
            "gone", Place("daphne", "echo/async-http", "no-longer"), 'same: {"message":null}', ""
        ),
    }
    assert changes.same == len(readme_report.cells) - 2
    assert not changes.is_good
    document = json.loads(as_json(readme_report.with_changes(changes)))
    assert [error.json_path for error in Draft202012Validator(SCHEMA).iter_errors(document)] == []
    assert document["against"]["count"]["gone"] == 1


def test_a_difference_inside_a_long_reply_is_a_change(
    readme_report: Report, tmp_path: Path
) -> None:
    """What the words leave out of a long reply counts all the same."""
    document = json.loads(as_json(readme_report))
    cell = next(one for one in document["cells"] if one["probe"] == "digits-5000")
    cell["seen"]["observations"][0]["text"]["sha256"] = "0" * 64
    file = tmp_path / "earlier.json"
    file.write_text(json.dumps(document))
    (change,) = against(readme_report, read(file)).changes
    assert (change.kind, change.place.probe) == ("changed", "digits-5000")
    assert change.now == f"{change.before} (not the same to the last byte)"


def test_the_command_exits_with_what_it_found(
    daphne: Server, readme_report: Report, tmp_path: Path
) -> None:
    """A changed or gone cell ends it with 1, a new one does not; what was not asked is not gone."""
    earlier = changed_by_hand(as_json(readme_report), tmp_path)
    command = ("compare", "echo/websocket", "--url", daphne.url, "--against", earlier)
    said = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*command, "--probe", "null", stdout=said)
    assert ended.value.code == 1
    assert "1 changed, 0 gone, 0 new, 0 same" in said.getvalue()
    assert "before: same: closed 1011" in said.getvalue()
    said = StringIO()
    call_command(*command, "--probe", "nan", stdout=said)
    assert "0 changed, 0 gone, 1 new, 0 same" in said.getvalue()
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command(*command, "--probe", "nul[l]", stdout=said)
    assert "1 changed, 0 gone, 0 new, 0 same" in said.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file"),
        ("<html>", "is not JSON"),
        ("[]", "is not a result of this version"),
        ('{"schema": 1, "cells": [], "probes": []}', "is not a result of this version"),
    ],
    ids=["missing", "not JSON", "no result", "another version"],
)
def test_what_is_no_result_gets_a_sentence(
    content: str | None, reason: str, tmp_path: Path
) -> None:
    """A file that cannot be compared with is named with the reason, before any server starts."""
    file = tmp_path / "earlier.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CommandError, match=reason) as error:
        call_command("compare", "--against", file)
    assert error.value.returncode == 2
    assert str(file) in str(error.value)


# The committed result.


def test_the_committed_result_is_of_this_code() -> None:
    """It has the present editions, exhibits and probes, differs in nothing, and is small."""
    result, renew = committed(), "Make it again: CONTRIBUTING.md says how, under Compare."
    probes = {probe.id for name in TABLES for probe in table(name) if probe.by_default}
    assert {one["id"] for one in result["probes"]} == probes, renew
    assert set(result["exhibits"]) == {exhibit.id for exhibit in CATALOGUE}, renew
    editions = {exhibit.edition.name for exhibit in CATALOGUE}
    assert {one["name"] for one in result["editions"]} == editions, renew
    assert result["count"]["differs"] == 0
    assert COMMITTED.stat().st_size < 768 * 1024


def test_the_document_has_every_cell(readme_report: Report, tmp_path: Path) -> None:
    """Each cell is in the small document with its verdict, though those alike share one log."""
    file = tmp_path / "matrix.json"
    file.write_text(as_document(readme_report))
    shown = read(file).outcomes
    assert {place: one.verdict for place, one in shown.items()} == {
        Place(cell.server, cell.exhibit, cell.probe): cell.verdict for cell in readme_report.cells
    }
    assert file.stat().st_size < 200 * 1024
