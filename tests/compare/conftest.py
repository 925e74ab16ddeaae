"""One run of everything on Daphne, and one of what servers differ in, for all tests here."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from consumers.catalogue import CATALOGUE, Exhibit
from sandbox.compare.engine import Question, flag_mismatches, questions
from sandbox.compare.report import Report
from sandbox.compare.run import run, started
from sandbox.processes.servers import ARGUMENTS, ROOT, VARIANTS, installed
from tests.support.missing import skip_outside_ci


def scratch_copy(folder: Path) -> Path:
    """Copy the project, to change it."""
    for name in ("consumers", "routing", "sandbox"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "manage.py", folder)
    return folder


CASES = ("1.1.?", "2.*", "5.4", "6.1.*", "6.3.1", "7.1.5", "7.9.1")
"""Of the Autobahn suite: the quick ones of most kinds, and those that a server fails."""


def usual(exhibits: Iterable[Exhibit]) -> list[Question]:
    """Every probe for each exhibit, but only a selection of the cases of a test suite."""
    return [
        (exhibit, probe)
        for exhibit, probe in questions(exhibits)
        if not probe.is_case or any(fnmatchcase(probe.id, f"autobahn-{case}") for case in CASES)
    ]


@pytest.fixture(scope="session")
def report() -> Report:
    """Every probe put to every exhibit, on Daphne."""
    return run([started("daphne")], usual(CATALOGUE))


MATRIX_EXHIBITS = [one for one in CATALOGUE if one.edition.name in ("echo", "tutorial")]
SERVERS_EXHIBITS = [
    one for one in CATALOGUE if one.edition.name == "echo" or one.id == "tutorial/websocket"
]
EXHIBITS_ON_ALL_SERVERS = [
    *SERVERS_EXHIBITS,
    *(one for one in CATALOGUE if one.edition.probes == "history" or one.id == "mirror/asgi"),
]
EXHIBITS_ON_VARIANTS = [one for one in CATALOGUE if one.id in ("echo/websocket", "mirror/asgi")]


def only(exhibits: list[Exhibit], report: Report) -> Report:
    ids = {exhibit.id for exhibit in exhibits}
    cells = tuple(cell for cell in report.cells if cell.exhibit in ids)
    return replace(report, exhibits=tuple(exhibits), cells=cells)


@pytest.fixture(scope="session")
def readme_report(report: Report) -> Report:
    """That part of the run on Daphne which docs/matrix.md shows."""
    return only(MATRIX_EXHIBITS, report)


def need(servers: Iterable[str]) -> None:
    """Skip a test where one of these servers is not installed; in CI it fails."""
    if missing := set(servers).difference(installed()):
        skip_outside_ci(f"Not installed: {', '.join(missing)}. Try pip install -e '.[servers]'.")


@pytest.fixture(scope="session")
def all_servers_report(report: Report) -> Report:
    """A part of it on the other servers too."""
    need(ARGUMENTS)
    daphne = only(EXHIBITS_ON_ALL_SERVERS, report)
    others = [started(server) for server in ARGUMENTS if server != "daphne"]
    found = run(others, usual(EXHIBITS_ON_ALL_SERVERS))
    return replace(
        daphne,
        targets=daphne.targets + found.targets,
        cells=tuple(flag_mismatches(daphne.cells + found.cells)),
    )


@pytest.fixture(scope="session")
def variants_report() -> Report:
    """A smaller part of it on variants of servers."""
    need(program for program, _ in VARIANTS.values())
    return run([started(variant) for variant in VARIANTS], usual(EXHIBITS_ON_VARIANTS))


@pytest.fixture(scope="session")
def servers_report(all_servers_report: Report) -> Report:
    """That part of it which docs/matrix.md shows."""
    return only(SERVERS_EXHIBITS, all_servers_report)
