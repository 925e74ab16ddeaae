"""``manage.py bench``, run for real at its smallest: what the figures look like, not what they are.

How large a figure is depends on the machine, and on who else is on it.
"""

import io
import json
import re
import signal
import sys
import time
from pathlib import Path

import jsonschema
import msgspec
import psutil
import pytest
from django.core.management import CommandError, call_command

from sandbox.bench import experiments
from sandbox.bench import report as bench_report
from sandbox.bench.experiments import Connections, Echo
from sandbox.bench.lab import Lab
from sandbox.bench.report import Latency, Report, Spread, from_json, json_schema, left_out
from sandbox.bench.run import Bench, find, plan
from sandbox.compare import engine
from sandbox.processes.redis import find_server
from sandbox.processes.servers import ROOT

EXHIBITS = {"echo/async-http", "tuned/websocket"}
BASELINES = {"baseline/http", "baseline/websocket"}


@pytest.fixture(scope="module")
def json_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench") / "report.json"


@pytest.fixture(scope="module")
def printed(json_file: Path) -> str:
    """Run all experiments on two exhibits."""
    stdout = io.StringIO()
    call_command(
        "bench",
        "--quick",
        *EXHIBITS,
        *("--rounds", "2", "--seconds", "0.05", "--connections", "2"),
        *("--json", str(json_file), "--html", str(json_file.with_suffix(".html"))),
        stdout=stdout,
    )
    return stdout.getvalue()


@pytest.fixture(scope="module")
def report(printed: str, json_file: Path) -> Report:
    assert printed
    return from_json(json_file.read_bytes())


def is_spread(spread: Spread) -> bool:
    return spread.low <= spread.median <= spread.high


def is_latency(latency: Latency) -> bool:
    return 0 < latency["p1"] <= latency["p50"] <= latency["p99"] <= latency["max"]


def test_a_run_says_what_it_was_made_with(report: Report) -> None:
    """A complete run names its versions, servers, cores and length, and refuses no good exhibit."""
    assert report.is_complete
    assert report.schema == 1
    assert {"python", "django", "channels", "picows"} <= report.versions.keys()
    assert [server.name for server in report.servers] == ["daphne"]
    assert report.machine["cores"]
    assert report.rounds == 2
    assert report.refused == []


def test_echo_measures_every_exhibit_beside_the_floor(report: Report) -> None:
    """Each exhibit, and the baseline too, has a round trip rate and its share of the baseline."""
    rows = {row.exhibit: row for row in report.echo}

    assert rows.keys() == EXHIBITS | BASELINES
    for row in rows.values():
        assert (row.connections, row.payload_bytes) == (2, 32)
        assert len(row.rounds) == 2
        assert is_spread(row.per_second)
        assert is_spread(row.share_of_baseline)
        assert is_latency(row.latency)
        assert row.errors == 0


def test_a_full_run_measures_more_connections_and_larger_messages() -> None:
    """Each number of connections and each size is measured once, beside the usual other."""
    lab = Lab("daphne", find(["tuned/websocket"], peers=False), {})
    full = plan()

    assert Echo(lab, full).cells() == [(1, 32), (32, 32), (256, 32), (32, 4096), (32, 61440)]
    assert full.rounds >= 5
    chosen = plan(connections=[8, 2], payloads=[100])
    assert Echo(lab, chosen).cells() == [(2, 100), (8, 100)]
    assert plan(connections=[32], idle=[1000]).idle == (1000,)


@pytest.mark.parametrize(
    ("ids", "measured"),
    [
        (["stock/websocket", "tutorial/websocket"], {"stock/websocket"}),
        (["tutorial/websocket"], {"tutorial/websocket"}),
        (["echo/async-websocket", "stock/async-websocket"], {"echo/async-websocket"}),
        (["stock/async-websocket"], {"stock/async-websocket"}),
        (["echo/websocket", "stock/websocket"], {"echo/websocket", "stock/websocket"}),
        (["tuned/websocket", "tuned/json-websocket"], {"tuned/websocket", "tuned/json-websocket"}),
    ],
)
def test_who_costs_what_another_costs_is_left_out(ids: list[str], measured: set[str]) -> None:
    """A double is measured beside the usual load only, unless the one that it doubles is absent."""
    lab = Lab("daphne", find(ids, peers=False), {})

    usual = {step.exhibit for step in Echo(lab, plan(connections=[32], payloads=[32])).steps()}
    assert usual == {*ids, "baseline/websocket"}
    elsewhere = {step.exhibit for step in experiments.Latency(lab, plan()).steps()}
    assert elsewhere == {*measured, "baseline/websocket"}


def test_a_report_says_who_was_left_out() -> None:
    """Who is in one table of echo only is told of; in a run of one table nobody is missing."""
    whole = from_json((ROOT / "sandbox/bench/results/figures.json").read_bytes())
    assert left_out(whole) == ""
    (double,) = (
        row for row in whole.echo if (row.server, row.exhibit) == ("daphne", "tutorial/websocket")
    )
    whole.echo += [
        msgspec.structs.replace(row, connections=256) for row in whole.echo if row is not double
    ]
    assert left_out(whole).startswith("Tutorials")


def test_a_codec_is_no_matter_to_an_idle_connection() -> None:
    """The JSON types are left out where a raw one is there."""
    ids = ["echo/async-websocket", "echo/async-json-websocket", "tuned/json-websocket"]
    lab = Lab("daphne", find(ids, peers=False), {})

    idle = {step.exhibit for step in Connections(lab, plan()).steps()}
    assert idle == {"echo/async-websocket", "tuned/json-websocket", "baseline/websocket"}


def test_the_clients_ceiling_is_in_the_report(report: Report) -> None:
    """The same run tells what the client itself can do, on both protocols."""
    assert {ceiling.protocol for ceiling in report.ceilings} == {"ws", "http"}
    assert all(ceiling.per_second > 0 for ceiling in report.ceilings)


def test_latency_is_measured_at_a_share_of_what_echo_found(report: Report) -> None:
    """Each exhibit gets half of what it was seen to do, and answers all of it."""
    assert {row.exhibit for row in report.latency} == EXHIBITS | BASELINES
    assert {row.load for row in report.latency} == {0.5}
    most = {row.exhibit: row.per_second for row in report.echo}
    for row in report.latency:
        found = most[row.exhibit]
        assert found.low * row.load * 0.99 <= row.rate <= found.high * row.load * 1.01
        assert is_latency(row.latency)
        assert row.errors == 0


def test_delay_is_measured_against_what_waiting_allows(report: Report) -> None:
    """Two connections of requests that wait 50 ms cannot be answered 40 times a second."""
    for row in report.delay:
        assert row.ideal_per_second == 40
        assert row.share_of_ideal.median > 0
        assert row.latency["p1"] >= 50
        assert row.errors == 0


def test_stall_follows_the_neighbours_while_one_blocks(report: Report) -> None:
    """Only sync exhibits block; every exhibit's latencies are there, before and meanwhile."""
    assert {row.blocker for row in report.stall} == {"tuned/websocket"}
    assert {row.neighbour for row in report.stall} == EXHIBITS | BASELINES
    for row in report.stall:
        assert is_spread(row.added_p99)
        assert len(row.trace) == 40
        assert all(slowest > 0 for slowest in row.trace)
        assert row.errors == 0


def test_connections_are_counted_and_weighed(report: Report) -> None:
    """Idle sockets are opened as many as asked, and the memory and threads of each are told."""
    assert {row.exhibit for row in report.connections} == {"tuned/websocket", "baseline/websocket"}
    for row in report.connections:
        assert row.opened == row.asked == 2
        assert row.per_second > 0


def test_the_terminal_shows_each_experiment(printed: str, report: Report) -> None:
    """What is printed has a table for each experiment, and says how it was measured."""
    for experiment in ("echo", "latency", "delay", "stall", "connections", "fanout"):
        assert f"\n{experiment}: " in printed
    assert f"2 rounds, 0.05 s a turn, {report.cores}" in " ".join(printed.split())


def test_fanout_counts_what_reaches_the_members_of_a_room(report: Report) -> None:
    """Rooms of every size are measured in memory, and through Redis where there is one."""
    ways = {("in memory", 1)} | ({("Redis", 1), ("Redis", 2)} if find_server() else set())

    assert {(row.layer, row.processes) for row in report.fanout} == ways
    assert {row.members for row in report.fanout} == {10}
    for row in report.fanout:
        assert is_spread(row.deliveries_per_second)
        assert row.errors == 0


def test_the_json_is_as_the_schema_says(report: Report, json_file: Path) -> None:
    """The JSON keeps to schema.json, which is what other programs may rely on."""
    schema = Path(bench_report.__file__).with_name("schema.json")

    assert schema.read_bytes() == json_schema()
    assert report.schema == 1
    jsonschema.validate(json.loads(json_file.read_bytes()), json.loads(schema.read_bytes()))


def test_the_json_of_another_schema_is_refused() -> None:
    """What was written to a later schema is not misread."""
    with pytest.raises(msgspec.ValidationError):
        from_json(b'{"schema": 2}')


def test_the_page_needs_nothing_else(report: Report, json_file: Path) -> None:
    """The HTML report has a chart for each experiment, no script, and fetches nothing."""
    page = json_file.with_suffix(".html").read_text()

    for title in ("Throughput", "Latency", "Waiting", "Stall", "Memory", "Rooms of 10"):
        assert re.search(f"<h3>{title}.*</h3>", page)
    for exhibit in {row.exhibit for row in report.echo}:
        assert exhibit in page
    assert not re.search(r"<script|<link|<img|@import|url\(|https?://", page)


class Interrupting:
    """Presses Ctrl-C when that many turns are done."""

    def __init__(self, turns: int) -> None:
        self.turns = turns

    def expect(self, seconds: float) -> None: ...
    def now(self, says: str) -> None: ...

    def done(self, _seconds: float) -> None:
        self.turns -= 1
        if not self.turns:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_leaves_what_is_complete() -> None:
    """An interrupted run reports the rounds that it had, of the peers as well."""
    exhibits = find(["tuned/websocket"], peers=True)
    little = plan(quick=True, rounds=9, seconds=0.05, connections=[2])
    bench = Bench(["daphne"], ["echo", "stall"], exhibits, little, Interrupting(len(exhibits) + 1))

    bench.run()

    assert not bench.report.is_complete
    assert bench.report.stall == []
    assert {row.exhibit for row in bench.report.echo} == {
        *("baseline/websocket", "tuned/websocket", "starlette/websocket", "fastapi/websocket")
    }
    assert sorted(len(row.rounds) for row in bench.report.echo) == [1, 1, 1, 2]
    assert all(row.errors == 0 for row in bench.report.echo)


def test_sigterm_leaves_no_server_behind(tmp_path: Path) -> None:
    """A run that is told to end prints what is complete and ends its servers: exit status 130."""
    command = [sys.executable, "manage.py", "bench", "stall", "tuned/websocket", "--quick"]
    with (tmp_path / "printed").open("wb") as printed:
        bench = psutil.Popen(command, cwd=ROOT, stdout=printed, stderr=printed)
    servers: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + 30
        while not servers and time.monotonic() < deadline:
            time.sleep(0.05)
            servers = [
                one for one in bench.children(recursive=True) if "daphne" in " ".join(one.cmdline())
            ]
        bench.terminate()
        assert bench.wait(timeout=30) == 130
        assert servers
        assert not any(server.is_running() for server in servers)
        assert "Interrupted" in (tmp_path / "printed").read_text()
    finally:
        for one in (bench, *servers):
            if one.is_running():
                one.kill()


def test_an_experiment_without_exhibits_is_told() -> None:
    """Asked for what nobody takes part in, the report says so."""
    little = plan(quick=True, rounds=1, seconds=0.05, connections=[1])
    exhibits = find(["tutorial/async-http"], peers=False)
    bench = Bench(["daphne"], ["connections"], exhibits, little, Interrupting(9))

    bench.run()

    assert bench.report.warnings == ["connections: none of the exhibits takes part in it."]


def test_an_exhibit_that_fails_its_probes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does not do the work is not measured, and the report says what was wrong."""
    # A tutorial whose differences are not declared is a consumer that does not keep the contract.
    monkeypatch.setattr(engine, "declared", lambda *_: None)
    little = plan(quick=True, rounds=1, seconds=0.05, connections=[1])
    bench = Bench(
        ["daphne"], ["stall"], find(["tutorial/websocket"], peers=False), little, Interrupting(9)
    )

    bench.run()

    assert bench.report.is_complete
    assert bench.report.stall == []
    (refused,) = bench.report.refused
    assert refused.exhibit == "tutorial/websocket"
    assert "compare's probe" in refused.reason


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no-such"], "no experiment, exhibit or edition 'no-such' to measure: choose from echo"),
        (["tuned", "echo", "baseline"], "no experiment, exhibit or edition 'baseline'"),
        (["--rounds", "0"], "'0' is not a number over 0"),
        (["--payload", "65537"], "'65537' is not a number from 15 to 65536"),
        (["--payload", "14"], "'14' is not a number from 15 to 65536"),
        (["--seconds", "nan"], "'nan' is not a number over 0"),
        (["--server", "apache"], "invalid choice: 'apache'"),
        (["--json", "/no/such/folder/x.json"], "/no/such/folder/x.json cannot be written"),
    ],
)
def test_bad_usage_is_told(arguments: list[str], complaint: str) -> None:
    """What cannot be measured is refused in a sentence, before anything starts."""
    with pytest.raises(CommandError, match=complaint):
        call_command("bench", *arguments)
