"""``manage.py bench``, run for real at its smallest: what the figures look like, not what they are.

How large a figure is depends on the machine, and on what else runs on it.
"""

import asyncio
import io
import json
import re
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import jsonschema
import msgspec
import psutil
import pytest
from django.core.management import CommandError, call_command
from rich.console import Console

from sandbox.bench import spread as figures
from sandbox.bench import testbed
from sandbox.bench.client import WebSocketConnection, connect, disconnect
from sandbox.bench.exhibits import APPLICATION, find
from sandbox.bench.experiment import Experiment, Row, Step
from sandbox.bench.experiments import EXPERIMENTS, experiments
from sandbox.bench.experiments.anatomy import BY_NAME, Anatomy
from sandbox.bench.experiments.connections import Connections
from sandbox.bench.experiments.delay import Delay
from sandbox.bench.experiments.echo import Echo
from sandbox.bench.experiments.fanout import Fanout
from sandbox.bench.experiments.latency import Latency
from sandbox.bench.experiments.processes import Processes, Turn
from sandbox.bench.experiments.stall import Stall
from sandbox.bench.figures import RESULTS
from sandbox.bench.load import Sample
from sandbox.bench.output.charts import Bar, Bars
from sandbox.bench.output.html import as_html
from sandbox.bench.output.json import SCHEMA_FILE, as_json, from_json, json_schema
from sandbox.bench.output.table import Column
from sandbox.bench.output.terminal import show
from sandbox.bench.plan import plan
from sandbox.bench.report import SCHEMA, Refused, Report
from sandbox.bench.run import Bench, failures
from sandbox.compare import engine
from sandbox.processes.environments import Environment
from sandbox.processes.redis import find_server
from sandbox.processes.servers import ROOT, ServerError

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
        *(*EXHIBITS, "rooms/async-websocket"),
        *("--rounds", "2", "--seconds", "0.05", "--connections", "2"),
        *("--json", str(json_file), "--html", str(json_file.with_suffix(".html"))),
        *("--hgrm", str(json_file.with_suffix(".hgrm"))),
        *("--fail-if", "tuned/websocket share > 1000"),
        stdout=stdout,
    )
    return stdout.getvalue()


@pytest.fixture(scope="module")
def report(printed: str, json_file: Path) -> Report:
    assert printed
    return from_json(json_file.read_bytes())


def is_spread(spread: figures.Spread) -> bool:
    return spread.low <= spread.median <= spread.high


def is_latency(latency: figures.Latency) -> bool:
    low, middle, high = (latency[name].median for name in ("p1", "p50", "max"))
    return 0 < low <= middle <= high and all(map(is_spread, latency.values()))


def test_a_run_says_what_it_was_made_with(report: Report) -> None:
    """A complete run names its versions, servers, cores and length, and refuses no good exhibit."""
    assert report.is_complete
    assert report.schema == SCHEMA
    assert {"python", "django", "channels", "picows"} <= report.versions.keys()
    assert [server.name for server in report.servers] == ["daphne"]
    assert report.machine["cores"]
    assert report.rounds == 2
    assert report.refused == []


def test_echo_measures_every_exhibit_against_the_baseline(report: Report) -> None:
    """Each exhibit, and the baseline too, has a round trip rate and its share of the baseline."""
    rows = {row.exhibit: row for row in report.results["echo"]}

    assert rows.keys() == EXHIBITS | BASELINES
    for row in rows.values():
        assert (row.connections, row.payload_bytes) == (2, 32)
        assert len(row.rounds) == 2
        assert is_spread(row.per_second)
        assert is_spread(row.cpu_microseconds)
        shares = [one.per_second / one.baseline_per_second for one in row.rounds]
        assert row.share_of_baseline.low == pytest.approx(min(shares), rel=0.01)
        assert row.share_of_baseline.high == pytest.approx(max(shares), rel=0.01)
        assert is_latency(row.latency)
        assert row.errors == 0


def test_a_full_run_measures_more_connections_and_larger_messages() -> None:
    """Each number of connections and each size is measured once, with the usual other."""
    bed = testbed.Testbed("daphne", find(["tuned/websocket"], peers=False), {})
    full = plan()

    assert Echo(bed, full).cells() == [(1, 32), (32, 32), (256, 32), (32, 4096), (32, 61440)]
    assert full.rounds >= 5
    chosen = plan(connections=[8, 2], payloads=[100])
    assert Echo(bed, chosen).cells() == [(2, 100), (8, 100)]
    assert plan(connections=[32], idle=[1000]).idle == (1000,)


@pytest.mark.parametrize(
    ("ids", "measured"),
    [
        (["echo/websocket", "tutorial/websocket"], {"echo/websocket"}),
        (["tutorial/websocket"], {"tutorial/websocket"}),
        (
            ["echo/async-websocket", "stock/async-websocket"],
            {"echo/async-websocket", "stock/async-websocket"},
        ),
        (["echo/async-websocket", "tutorial/async-websocket"], {"echo/async-websocket"}),
        (["stock/async-websocket"], {"stock/async-websocket"}),
        (["echo/websocket", "stock/websocket"], {"echo/websocket", "stock/websocket"}),
        (["tuned/websocket", "tuned/json-websocket"], {"tuned/websocket", "tuned/json-websocket"}),
    ],
)
def test_an_exhibit_that_costs_what_another_costs_is_left_out(
    ids: list[str], measured: set[str]
) -> None:
    """A double is measured at the usual load only, unless the one that it doubles is absent."""
    bed = testbed.Testbed("daphne", find(ids, peers=False), {})

    usual = {step.exhibit for step in Echo(bed, plan(connections=[32], payloads=[32])).steps()}
    assert usual == {*ids, "baseline/websocket"}
    elsewhere = {step.exhibit for step in Latency(bed, plan()).steps()}
    assert elsewhere == {*measured, "baseline/websocket"}


def test_a_report_names_what_was_left_out() -> None:
    """A note names what is in one table of echo only; in a run of one table nothing is missing."""
    ids = ["echo/websocket", "tutorial/websocket"]
    bed = testbed.Testbed("daphne", find(ids, peers=False), {})

    (note,) = Echo(bed, plan()).notes()
    assert note.endswith("another exhibit here costs: tutorial/websocket.")
    assert list(Echo(bed, plan(connections=[32], payloads=[32])).notes()) == []


def test_a_codec_does_not_matter_to_an_idle_connection() -> None:
    """The JSON types are left out where the plain one is there."""
    ids = ["echo/async-websocket", "echo/async-json-websocket", "tuned/json-websocket"]
    bed = testbed.Testbed("daphne", find(ids, peers=False), {})

    idle = {step.exhibit for step in Connections(bed, plan()).steps()}
    assert idle == {"echo/async-websocket", "tuned/json-websocket", "baseline/websocket"}


def test_a_tutorial_knows_no_delay() -> None:
    """What ignores a delay neither waits nor blocks."""
    bed = testbed.Testbed("daphne", find(["tutorial/websocket"], peers=False), {})

    assert {step.exhibit for step in Delay(bed, plan()).steps()} == {"baseline/websocket"}
    assert list(Stall(bed, plan()).steps()) == []


def test_what_is_due_right_before_a_block_waits_for_it() -> None:
    """A request that was due just before the block, and waited for its end, is no usual one."""
    exhibit = "stock/websocket"
    experiment = Stall(testbed.Testbed("daphne", find([exhibit], peers=False), {}), plan())
    latencies = (0.001,) * 39 + (1.0,) * 40
    due = (number / 50 for number in range(len(latencies)))
    sample = Sample(2.0, array("d", due), array("d", latencies), 0)
    experiment.turns[exhibit, exhibit].append(sample)

    (row,) = experiment.rows()

    assert row.before_p99.median == pytest.approx(1)
    assert row.added_p99.median == pytest.approx(999)


def test_one_that_never_answers_during_a_block_is_not_undelayed() -> None:
    """A round without any reply during the block counts as the longest wait, not as none."""
    exhibit = "stock/websocket"
    experiment = Stall(testbed.Testbed("daphne", find([exhibit], peers=False), {}), plan())
    experiment.turns[exhibit, exhibit] += [
        Sample(2.0, array("d", [0.1, 1.0][:replies]), array("d", [0.001] * replies), 2 - replies)
        for replies in (2, 1)
    ]

    (row,) = experiment.rows()

    assert row.added_p99.low == pytest.approx(0)
    assert row.added_p99.high == pytest.approx(29_999)
    assert row.errors == 1


def test_the_clients_ceiling_is_in_the_report(report: Report) -> None:
    """The same run says what the client itself can do, on both protocols."""
    assert {ceiling.protocol for ceiling in report.ceilings} == {"ws", "http"}
    assert all(ceiling.per_second > 0 for ceiling in report.ceilings)


def test_latency_is_measured_at_a_steady_rate(report: Report) -> None:
    """Each exhibit gets half of its own maximum, and answers all of it."""
    rows = report.results["latency"]

    assert {row.exhibit for row in rows} == EXHIBITS | BASELINES
    for row in rows:
        assert row.load == 0.5
        assert row.rate.low > 0
        assert is_latency(row.latency)
        assert is_latency(row.uncorrected)
        assert row.errors == 0


def test_latency_finds_the_maximum_by_itself() -> None:
    """Without echo it has rates too, and in one round all loads are shares of one maximum."""
    little = replace(plan(quick=True, rounds=1, seconds=0.2, connections=[2]), loads=(0.25, 0.5))
    bench = Bench(
        ["daphne"], ["latency"], find(["tuned/websocket"], peers=False), little, Interrupting(99)
    )

    bench.run()

    rates = {(row.exhibit, row.load): row.rate.median for row in bench.report.results["latency"]}
    for exhibit in ("tuned/websocket", "baseline/websocket"):
        assert rates[exhibit, 0.5] == pytest.approx(2 * rates[exhibit, 0.25])
        assert rates[exhibit, 0.25] > 10


def test_delay_is_measured_against_what_waiting_allows(report: Report) -> None:
    """Two connections of requests that wait 50 ms cannot be answered 40 times a second."""
    rows = report.results["delay"]

    assert {row.exhibit for row in rows} == EXHIBITS | BASELINES
    for row in rows:
        assert row.ideal_per_second == 40
        assert row.share_of_ideal.median > 0
        assert row.latency["p1"].low >= 50
        assert row.errors == 0


def test_stall_follows_all_exhibits_while_one_blocks(report: Report) -> None:
    """Only sync exhibits block; every exhibit's latencies are there, before and during it."""
    assert {row.blocker for row in report.results["stall"]} == {"tuned/websocket"}
    assert {row.exhibit for row in report.results["stall"]} == EXHIBITS | BASELINES
    for row in report.results["stall"]:
        assert is_spread(row.added_p99)
        assert len(row.trace) == 40
        assert all(slowest > 0 for slowest in row.trace)
        assert row.errors == 0


def test_a_blocker_delays_its_process_unless_it_is_isolated() -> None:
    """A stock exhibit that blocks delays all of stock and no other; an isolated one delays none."""
    ids = ["echo/websocket", "echo/async-websocket", "stock/websocket", "stock/async-websocket"]
    little = plan(quick=True, rounds=1, seconds=0.05, connections=[1])
    bench = Bench(["daphne"], ["stall"], find(ids, peers=True), little, Interrupting(99))

    bench.run()

    rows = {(row.blocker, row.exhibit): row for row in bench.report.results["stall"]}
    assert {exhibit for _, exhibit in rows} == {*ids, "baseline/websocket"}
    assert rows["stock/websocket", "stock/websocket"].added_p99.low > 500
    assert rows["stock/websocket", "stock/async-websocket"].added_p99.low > 500
    assert rows["stock/websocket", "echo/websocket"].added_p99.high < 500
    assert rows["stock/websocket", "echo/async-websocket"].added_p99.high < 500
    for exhibit in (*ids, "baseline/websocket"):
        assert rows["echo/websocket", exhibit].added_p99.high < 500


def test_connections_are_counted_and_weighed(report: Report) -> None:
    """As many idle sockets are opened as asked."""
    assert {row.exhibit for row in report.results["connections"]} == {
        "tuned/websocket",
        "rooms/async-websocket",
        "baseline/websocket",
    }
    for row in report.results["connections"]:
        assert row.opened == row.asked == 2
        assert row.per_second.low > 0
        assert is_spread(row.kib_each)


def test_idle_event_streams_are_weighed(tmp_path: Path) -> None:
    """As many event streams are opened as asked, and the table says that it is about them."""
    command = ("bench", "connections", "rooms/async-http", "--rounds", "1", "--idle", "10")
    stdout = io.StringIO()
    call_command(*command, "--json", str(tmp_path / "streams.json"), stdout=stdout)
    (row,) = from_json((tmp_path / "streams.json").read_bytes()).results["connections"]

    assert row.opened == row.asked == 10
    assert "idle event streams on daphne" in stdout.getvalue()


@pytest.mark.asyncio
async def test_a_client_can_offer_compression() -> None:
    """A server that compresses accepts the offer of each connection that makes one."""
    with testbed.started("uvicorn-deflate") as server:
        url = f"ws://127.0.0.1:{server.port}/baseline/websocket/"
        (plain,), _ = await connect(url, 1)
        (offering,), _ = await connect(url, 1, compression=True)

        accepted = [
            one._transport.response.headers.get("Sec-WebSocket-Extensions", "")  # noqa: SLF001
            for one in (plain, offering)
            if isinstance(one, WebSocketConnection)
        ]
        assert accepted[0] == ""
        assert accepted[1].startswith("permessage-deflate")
        await disconnect([plain, offering])


def test_further_processes_are_measured_against_one() -> None:
    """Each number of processes has a speed-up over one in the same round, and no errors."""
    little = plan(quick=True, rounds=1, seconds=0.05)
    exhibits = find(["tuned/async-websocket"], peers=False)
    bench = Bench(["daphne"], ["processes"], exhibits, little, Interrupting(99))

    bench.run()

    rows = {(row.exhibit, row.processes): row for row in bench.report.results["processes"]}
    assert rows.keys() == {
        (exhibit, count)
        for exhibit in ("tuned/async-websocket", "baseline/websocket")
        for count in (1, 2)
    }
    for (exhibit, count), row in rows.items():
        assert row.speed_up.median == pytest.approx(
            row.per_second.median / rows[exhibit, 1].per_second.median
        )
        assert 1 / count <= row.busiest.median <= 1
        assert row.connections == 64
        assert row.errors == 0
    assert any("free-threaded" in note for note in bench.report.notes)


@pytest.mark.asyncio
async def test_what_has_servers_of_its_own_has_them_in_the_environment() -> None:
    """With versions of --with, processes and anatomy run there, and their rows say so."""
    venv = Environment("channels")
    with ExitStack() as stack:
        bed = testbed.Testbed("daphne", [], {}, lasting=stack, venv=venv)
        processes, anatomy = Processes(bed, plan()), Anatomy(bed, plan())
        started = [await processes.server(APPLICATION, 1), *anatomy.own_testbed.running.values()]
    assert [one.venv for one in started] == [venv, venv]
    turn = Turn(Sample(1.0, array("d"), array("d"), 0), 1.0)
    assert processes.row_of("echo/websocket", 1, [turn], [turn]).server == "daphne with channels"
    anatomy.turns["websocket"] = [dict.fromkeys(BY_NAME, 1.0)]
    assert {row.server for row in anatomy.rows()} == {"daphne with channels"}


def test_a_server_that_does_not_start_costs_no_other_result() -> None:
    """An experiment whose server does not start reports it, and the run goes on."""

    async def start() -> None:
        raise ServerError("daphne ended before it answered.")

    async def go_on() -> None:
        steps.append("went on")

    steps: list[str] = []
    bench = Bench(["daphne"], [], [], plan(), Interrupting(9))
    bed = testbed.Testbed("daphne", [], {})
    for exhibit, run in (("websocket", start), ("async-http", go_on)):
        asyncio.run(bench._take(Step("a step", exhibit, 1.0, run), bed))  # noqa: SLF001 # one step of a run
    assert bench.report.refused == [
        Refused("daphne", "websocket", "a step: daphne ended before it answered.")
    ]
    assert steps == ["went on"]


def test_the_terminal_shows_each_experiment(printed: str, report: Report) -> None:
    """Each experiment that need not be named has a table, and the end says how it was measured."""
    for name, experiment in experiments():
        assert (f"\n{name}: " in printed) == experiment.by_default
    assert "URL routing and an origin check in front" in " ".join(printed.split())
    assert f"2 rounds, 0.05 s a turn, {report.cores}" in " ".join(printed.split())


def test_fanout_counts_what_reaches_the_members_of_a_room(report: Report) -> None:
    """Rooms of every size are measured in memory, and through Redis where there is one."""
    ways = {("in memory", 1)} | ({("Redis", 1), ("Redis", 2)} if find_server() else set())

    assert {(row.layer, row.processes) for row in report.results["fanout"]} == ways
    assert {row.members for row in report.results["fanout"]} == {10}
    for row in report.results["fanout"]:
        assert is_spread(row.deliveries_per_second)
        assert row.errors == 0


def test_the_json_is_as_the_schema_says(report: Report, json_file: Path) -> None:
    """The JSON keeps to schema.json, which is what other programs may rely on."""
    schema = SCHEMA_FILE.read_bytes()

    assert schema == json_schema(), "make docs writes it again."
    assert report.schema == SCHEMA
    jsonschema.validate(json.loads(json_file.read_bytes()), json.loads(schema))


def test_the_json_of_another_schema_is_refused() -> None:
    """What was written to a later schema is not misread."""
    document = RESULTS.read_bytes().replace(b'"schema":3', b'"schema":4')

    with pytest.raises(msgspec.ValidationError, match="Schema 4"):
        from_json(document)


def test_the_page_needs_nothing_else(report: Report, json_file: Path) -> None:
    """The HTML report has a chart for each experiment, no script, and fetches nothing."""
    page = json_file.with_suffix(".html").read_text()

    for title in ("Throughput", "Latency", "Waiting", "Stall", "Memory", "Rooms of 10"):
        assert re.search(f"<h3>{title}.*</h3>", page)
    for exhibit in {row.exhibit for row in report.results["echo"]}:
        assert exhibit in page
    assert not re.search(r"<script|<link|<img|@import|url\(|https?://", page)


class Interrupting:
    """Presses Ctrl-C when that many turns have ended."""

    def __init__(self, turns: int) -> None:
        self.turns = turns

    def expect(self, seconds: float) -> None: ...
    def begin(self, title: str) -> None: ...

    def end(self, _seconds: float) -> None:
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
    assert bench.report.results["stall"] == []
    assert {row.exhibit for row in bench.report.results["echo"]} == {
        *("baseline/websocket", "tuned/websocket"),
        *("starlette/websocket", "fastapi/websocket", "blacksheep/websocket"),
    }
    assert sorted(len(row.rounds) for row in bench.report.results["echo"]) == [1, 1, 1, 1, 2]
    assert all(row.errors == 0 for row in bench.report.results["echo"])


def is_daphne(process: psutil.Process) -> bool:
    try:
        return "daphne" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it ended after it was listed; a zombie has no command line
        return False


def test_sigterm_leaves_no_server_behind(tmp_path: Path) -> None:
    """A run that gets SIGTERM prints what is complete and ends its servers: exit status 130."""
    command = [sys.executable, "manage.py", "bench", "stall", "tuned/websocket", "--quick"]
    with (tmp_path / "printed").open("wb") as printed:
        bench = psutil.Popen(command, cwd=ROOT, stdout=printed, stderr=printed)
    servers: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + 30
        while not servers and time.monotonic() < deadline:
            time.sleep(0.05)
            servers = [one for one in bench.children(recursive=True) if is_daphne(one)]
        bench.terminate()
        assert bench.wait(timeout=30) == 130
        assert servers
        assert not any(server.is_running() for server in servers)
        assert "Interrupted" in (tmp_path / "printed").read_text()
    finally:
        for one in (bench, *servers):
            if one.is_running():
                one.kill()


def test_an_experiment_without_exhibits_is_reported() -> None:
    """Where none of the exhibits takes part in an experiment, a warning says which would."""
    little = plan(quick=True, rounds=1, seconds=0.05, connections=[1])
    exhibits = find(["tutorial/async-http"], peers=False)
    bench = Bench(["daphne"], ["connections", "fanout"], exhibits, little, Interrupting(9))

    bench.run()

    assert bench.report.results == {"connections": [], "fanout": []}
    connections, fanout = bench.report.warnings
    assert connections == "connections: none of the exhibits takes part in it."
    assert "such as rooms/websocket" in fanout


@pytest.mark.parametrize("named", ["tutorial/async-http", "rooms/async-http", "history/websocket"])
def test_fanout_measures_no_other_rooms_than_those_that_are_named(named: str) -> None:
    """Where no exhibit is a room that it can measure, it says which are, and measures nothing."""
    little = plan(quick=True, rounds=1, seconds=0.05, connections=[1])
    bed = testbed.Testbed("daphne", find([named], peers=False), {})

    assert list(Fanout(bed, little).steps()) == []


@pytest.mark.asyncio
async def test_what_is_measured_passes_all_probes() -> None:
    """Exhibits answer all probes but those that watch the clock, on the server that is measured."""
    exhibits = find(["echo/websocket", "stock/async-http", "tuned/async-websocket"], peers=False)
    with testbed.started("daphne") as server:
        bed = testbed.Testbed("daphne", exhibits, {APPLICATION: server})

        assert await failures(bed, every_probe=True) == {}


def test_an_exhibit_that_fails_its_probes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not do its work is not measured, and the report says what was wrong."""
    # A tutorial whose differences are not declared is a consumer that does not keep the contract.
    monkeypatch.setattr(engine, "declared", lambda *_: None)
    little = plan(quick=True, rounds=1, seconds=0.05, connections=[1])
    bench = Bench(
        ["daphne"], ["stall"], find(["tutorial/websocket"], peers=False), little, Interrupting(9)
    )

    bench.run()

    assert bench.report.is_complete
    assert bench.report.results["stall"] == []
    (refused,) = bench.report.refused
    assert refused.exhibit == "tutorial/websocket"
    assert "compare's probe" in refused.reason


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no-such"], "no experiment, exhibit or edition 'no-such' to measure: choose from echo"),
        (["stall", "--quick", "no-such"], "'no-such' to measure"),
        (["tuned", "echo", "baseline"], "no experiment, exhibit or edition 'baseline'"),
        (["--rounds", "0"], "'0' is not a number over 0"),
        (["--payload", "65537"], "'65537' is not a number from 15 to 65536"),
        (["--payload", "14"], "'14' is not a number from 15 to 65536"),
        (["--connections", "65536"], "'65536' is not a number from 1 to 65535"),
        (["--idle", "99999999"], "'99999999' is not a number from 1 to 65535"),
        (["--seconds", "nan"], "'nan' is not a number over 0"),
        (["--server", "apache"], "invalid choice: 'apache'"),
        (["--json", "/no/such/folder/x.json"], "/no/such/folder/x.json cannot be written"),
    ],
)
def test_bad_usage_is_refused(arguments: list[str], complaint: str) -> None:
    """What cannot be measured is refused in a sentence, before anything starts."""
    with pytest.raises(CommandError, match=complaint):
        call_command("bench", *arguments)


def test_a_server_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there is named before another one is measured."""
    monkeypatch.setattr("sandbox.processes.servers.installed", lambda: ["daphne"])
    monkeypatch.setattr("sandbox.bench.run.Bench.run", None)
    with pytest.raises(CommandError, match="granian is not installed: pip install"):
        call_command("bench", "--server", "daphne", "--server", "granian")


def test_a_run_that_is_refused_leaves_no_file(tmp_path: Path) -> None:
    """A file is written at the end: if nothing runs, it is not there."""
    file = tmp_path / "result.json"
    with pytest.raises(CommandError, match="anatomy measures no exhibits"):
        call_command("bench", "anatomy", "echo/websocket", "--json", str(file))
    assert not file.exists()


class SeventhRow(Row, frozen=True, kw_only=True):
    beauty: figures.Spread


class Seventh(Experiment[SeventhRow]):
    """All that a further experiment says of itself."""

    row = SeventhRow
    columns = (Column("beauty", lambda row: f"{row.beauty.median:.1f}"),)

    def steps(self) -> Iterator[Step]:
        yield Step("seventh: all", "baseline/http", 0.0, self.turn)

    async def turn(self) -> None:
        self.turns["baseline/http"].append(1.5)

    def rows(self) -> list[SeventhRow]:
        return [
            SeventhRow(server=self.testbed.server, exhibit=exhibit, beauty=figures.spread(turns))
            for exhibit, turns in self.turns.items()
        ]

    @staticmethod
    def title(row: SeventhRow) -> str:
        return f"how beautiful it is on {row.server}"

    @classmethod
    def charts(cls, rows: Sequence[SeventhRow]) -> Iterator[Bars]:
        bars = [Bar(row.exhibit, row.beauty.median, "", "", row.beauty) for row in rows]
        yield Bars("Beauty", "In the eye of the beholder.", bars)


def test_a_seventh_experiment_is_one_module_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once registered it is run, printed, charted, written as JSON and read back."""
    monkeypatch.setitem(EXPERIMENTS, "seventh", f"{__name__}.Seventh")
    exhibits = find(["tuned/async-http"], peers=False)
    little = plan(quick=True, rounds=1, seconds=0.05, connections=[1])
    bench = Bench(["daphne"], ["seventh"], exhibits, little, Interrupting(9))

    bench.run()

    report = from_json(as_json(bench.report))
    (row,) = report.results["seventh"]
    assert row == SeventhRow(
        server="daphne", exhibit="baseline/http", beauty=figures.Spread(1.5, 1.5, 1.5)
    )
    assert "<h3>Beauty</h3>" in as_html(report)
    printed = io.StringIO()
    show(report, Console(file=printed))
    assert "seventh: how beautiful it is on daphne" in " ".join(printed.getvalue().split())
    with pytest.raises(CommandError, match=r"choose from echo, .*, seventh; "):
        call_command("bench", "no-such")


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--help", "latency, delay, stall, connections, fanout"),
        ("--quick", "pip install -e '.[bench]'"),
    ],
)
def test_the_command_explains_itself_without_the_extra(argument: str, said: str) -> None:
    """Without the packages of the extra ``bench`` there is its help, and how to install them."""
    program = (
        "import sys; sys.modules.update(httptools=None, picows=None, psutil=None, uvloop=None);"
        "import manage; manage.main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, "bench", argument],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert said in " ".join((run.stdout + run.stderr).split())
    assert "Traceback" not in run.stderr
