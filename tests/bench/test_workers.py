"""``manage.py bench workers``, for real at its smallest: no figure matters."""

import io
import json
import re
from pathlib import Path

import jsonschema
import pytest
from django.core.management import CommandError, call_command

from sandbox.bench import figures, testbed
from sandbox.bench.another_process import ECHO, ROOM, WAYS
from sandbox.bench.exhibits import GROUPS, group
from sandbox.bench.experiments import workers
from sandbox.bench.experiments.workers import Workers
from sandbox.bench.output.html import COLOURS
from sandbox.bench.output.json import SCHEMA_FILE, from_json
from sandbox.bench.plan import plan
from sandbox.bench.report import Report
from sandbox.choices import RESULTS
from sandbox.management.commands import bench
from sandbox.processes.redis import Redis

pytestmark = pytest.mark.timeout(300)

DOCUMENT = RESULTS / "workers.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def printed(
    folder: Path,
    redis: Redis,  # noqa: ARG001 # it skips
    mosquitto_program: None,  # noqa: ARG001 # it skips
) -> str:
    """Run it with all that it can measure."""
    output = io.StringIO()
    call_command(
        "bench",
        *("workers", "--quick", "--rounds", "1", "--seconds", "0.05", "--connections", "2"),
        *("--json", str(folder / "report.json"), "--html", str(folder / "report.html")),
        stdout=output,
    )
    return output.getvalue()


@pytest.fixture(scope="module")
def report(printed: str, folder: Path) -> Report:
    assert printed
    return from_json((folder / "report.json").read_bytes())


def test_each_way_is_answered_and_has_its_share_of_a_baseline(report: Report, folder: Path) -> None:
    """Workers, bots and the bridge answer in real processes, and the JSON is as the schema says."""
    rows = {row.exhibit: row for row in report.results["workers"]}

    assert (report.refused, report.warnings) == ([], [])
    assert list(rows) == list(WAYS)
    for row in rows.values():
        assert row.connections == 2
        assert row.per_second.low > 0
        assert row.share_of_baseline.low > 0
        assert row.latency["p99"].median > 0
        assert row.errors == 0
    assert {name for name, row in rows.items() if row.baseline == name} == {ECHO, ROOM}
    document = json.loads((folder / "report.json").read_bytes())
    jsonschema.validate(document, json.loads(SCHEMA_FILE.read_bytes()))


def test_answers_are_shown_next_to_those_of_the_servers_own_process(
    report: Report, printed: str, folder: Path
) -> None:
    """The terminal and the page have a table and a chart for echoes, and one for rooms."""
    words = " ".join(printed.split())

    for answer in ("an echo", "a message in a room"):
        title = f"{answer}, with and without another process"
        assert f"workers: {title}, 2 connections, daphne" in words
        assert (
            f"<h3>{title.capitalize()}: 2 connections</h3>" in (folder / "report.html").read_text()
        )
    row = report.results["workers"][0]
    assert f"{row.exhibit} {row.per_second.median:,.0f}" in words


def test_each_process_has_a_colour_of_its_own() -> None:
    """In one chart a worker, a bot, the bridge and a baseline have four colours."""
    groups = {group(name) for name in WAYS}

    assert len({GROUPS.index(name) % COLOURS for name in groups}) == len(groups)


@pytest.mark.parametrize("experiment", ["workers", "delivery"])
def test_without_redis_it_is_refused(experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What starts a Redis of its own says in a sentence that there is none, and exits with 2."""
    monkeypatch.setattr(bench, "find_server", lambda: None)

    with pytest.raises(CommandError, match=f"^{experiment} cannot be measured: There is no redis"):
        call_command("bench", experiment)


def test_without_a_broker_all_but_the_bridge_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no Mosquitto the other ways are measured, and a warning says why."""
    monkeypatch.setattr(workers, "find_mosquitto", lambda: None)
    experiment = Workers(testbed.Testbed("daphne", [], {}), plan())

    measured = {step.exhibit for step in experiment.steps()}

    assert WAYS.keys() - measured == {"mqtt/bridge-to-members", "mqtt/bridge-to-devices"}
    assert list(experiment.warnings()) == [
        "The bridge was not measured: There is no mosquitto on PATH or in /usr/sbin."
    ]


def test_no_more_clients_ask_than_may_wait() -> None:
    """A hundred requests may wait for a worker: more clients would get errors."""
    experiment = Workers(testbed.Testbed("daphne", [], {}), plan(connections=[8, 256, 1000]))

    assert experiment.connections() == [8, 100]


@pytest.mark.parametrize(("name", "count"), [("worker", 3), ("bot", 2), ("bridge", 3)])
def test_what_the_documents_say_was_measured(name: str, count: int) -> None:
    """With other results, each rate and each time of a sentence is another one."""
    other = re.sub(r'"median":[^,]+', '"median":7654.321', DOCUMENT.read_text())

    text = " ".join(figures.section(name, from_json(other.encode())).split())

    assert len(re.findall(r"\b7,700 \(", text)) == count
    assert set(re.findall(r"[0-9.,]+ ms", text)) == {"7,654 ms"}


@pytest.mark.parametrize("name", ["worker", "bot", "bridge"])
def test_nothing_is_said_of_what_was_not_measured(name: str) -> None:
    """Results without the way give no sentence."""
    report = from_json(DOCUMENT.read_bytes())
    report.results["workers"] = []

    with pytest.raises(KeyError):
        figures.section(name, report)
