"""Versions as columns: ``compare --with``, and what docs/versions.md keeps of it."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import CommandError, call_command

from sandbox.bench.output.json import from_json
from sandbox.bench.versions import digest
from sandbox.processes.environments import Environment, RequirementsError, environment
from sandbox.processes.servers import ROOT
from tests.support.missing import skip_outside_ci

OLD = "channels==4.0.* daphne==4.0.*"


@pytest.fixture(scope="module")
def old() -> Environment:
    """An environment of real old versions: from the user's cache, else from the package index."""
    try:
        return environment(OLD)
    except RequirementsError as error:
        skip_outside_ci(str(error))


def test_versions_are_put_side_by_side(old: Environment, tmp_path: Path) -> None:
    """The same probes are put here and to the old versions, whose differences are declared."""
    said, file = StringIO(), tmp_path / "report.json"
    call_command(
        *("compare", "echo/websocket", "tutorial/websocket"),
        *("--probe", "over-1-mib", "--probe", "null"),
        *("--with", OLD, "--json", str(file)),
        stdout=said,
    )
    text = " ".join(said.getvalue().split())
    assert f"echo on daphne 4.0.0 with {OLD}" in text
    assert "channels 4.0.0, channels-redis 4.2.1, daphne 4.0.0" in text
    assert "over-1-mib closed 1006 error too_large" in text
    assert "Daphne has a cap of 1 MiB since 4.2.2" in text
    document = json.loads(file.read_text())
    jsonschema.validate(document, json.loads((ROOT / "sandbox/compare/schema.json").read_text()))
    here, there = document["servers"]
    assert here["environment"] == ""
    assert there["environment"] == OLD
    assert there["versions"]["channels"] == old.versions["channels"] == "4.0.0"
    assert here["versions"]["django"] == there["versions"]["django"]
    verdicts = {
        (cell["environment"], cell["exhibit"], cell["probe"]): cell["verdict"]
        for cell in document["cells"]
    }
    assert verdicts["", "echo/websocket", "over-1-mib"] == "same"
    assert verdicts[OLD, "echo/websocket", "over-1-mib"] == "declared"
    assert verdicts[OLD, "tutorial/websocket", "over-1-mib"] == "declared"
    assert verdicts[OLD, "echo/websocket", "null"] == "same"


@pytest.mark.usefixtures("old")
def test_versions_are_measured_side_by_side(tmp_path: Path) -> None:
    """The same experiment is made here and with the old versions, each against its baseline."""
    file = tmp_path / "bench.json"
    call_command(
        *("bench", "echo", "stock/async-websocket", "--quick", "--rounds", "1"),
        *("--seconds", "0.05", "--with", OLD, "--json", str(file)),
        stdout=StringIO(),
    )
    report = from_json(file.read_bytes())
    assert [server.name for server in report.servers] == ["daphne", f"daphne with {OLD}"]
    assert [server.versions["channels"] for server in report.servers][1] == "4.0.0"
    assert {row.server for row in report.results["echo"]} == {"daphne", f"daphne with {OLD}"}
    assert not report.refused


# Bad input.


@pytest.mark.parametrize("command", ["compare", "bench"])
@pytest.mark.parametrize(
    ("requirements", "said"),
    [("channels == 4", "'==' is not a requirement"), ("", "There is no requirement")],
)
def test_what_is_no_requirement_is_usage(command: str, requirements: str, said: str) -> None:
    """Requirements that are none get a sentence and exit status 2, before any server starts."""
    with pytest.raises(CommandError, match=said) as error:
        call_command(command, "--with", requirements)
    assert error.value.returncode == 2


def test_a_url_has_its_own_versions() -> None:
    """A deployment that is running cannot be asked for other versions."""
    with pytest.raises(CommandError, match="--url starts none") as error:
        call_command("compare", "--url", "http://127.0.0.1:1", "--with", "channels==4.1.*")
    assert error.value.returncode == 2


# What is kept.


def compared(verdict: str) -> dict[str, Any]:
    """What compare writes of one probe that an old version answers otherwise."""
    cell = {"server": "daphne", "exhibit": "echo/websocket", "probe": "binary"}
    versions = {"django": "5.2", "channels": "4.3.2"}
    return {
        "started": "2026-01-01T00:00:00+00:00",
        "servers": [
            {"name": "daphne", "environment": "", "versions": versions},
            {"name": "daphne", "environment": "channels<4", "versions": {"channels": "3.0"}},
        ],
        "cells": [
            {"environment": "", "verdict": "same", "seen": {"words": "a"}, "reason": ""} | cell,
            {"environment": "channels<4", "verdict": verdict, "seen": {"words": "b"}}
            | {"reason": "Why."}
            | cell,
        ],
    }


def test_only_what_differs_is_kept() -> None:
    """Of a run the columns are kept, and what is seen to be other than in the first one."""
    kept = digest([compared("declared")])
    assert [(one.cells, one.not_applicable, one.others) for one in kept.columns] == [
        (1, 0, 0),
        (1, 0, 1),
    ]
    (change,) = kept.changes
    assert (change.environments, change.reason) == (["channels<4"], "Why.")
    assert (change.there, change.here) == (["b"], ["a"])


def test_what_does_not_apply_is_no_difference() -> None:
    """A probe that does not apply in an environment is counted, and is no difference."""
    kept = digest([compared("n/a")])
    assert (kept.columns[1].not_applicable, kept.columns[1].others) == (1, 0)
    assert not kept.changes


def test_no_document_without_a_reason() -> None:
    """A difference that is not declared has no reason that could be written down."""
    with pytest.raises(ValueError, match="echo/websocket differs in binary: declare it"):
        digest([compared("differs")])
