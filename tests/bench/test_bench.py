"""``manage.py bench``, run for real at its smallest: what the figures look like, not what they are.

How large a figure is depends on the machine, and on who else is on it.
"""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sandbox.bench.report import Latency, Report, Spread, from_json

EXHIBITS = {"echo/async-http", "tuned/websocket"}
FLOORS = {"floor/http", "floor/websocket"}


@pytest.fixture(scope="module")
def json_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench") / "report.json"


@pytest.fixture(scope="module")
def printed(json_file: Path) -> str:
    """Run all experiments on two exhibits."""
    stdout = io.StringIO()
    call_command(
        "bench",
        *EXHIBITS,
        *("--rounds", "2", "--seconds", "0.05", "--connections", "2"),
        *("--json", str(json_file)),
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
    """Each exhibit, and the floor itself, has a round trip rate and its share of the floor's."""
    rows = {row.exhibit: row for row in report.echo if row.payload_bytes == 32}

    assert rows.keys() == EXHIBITS | FLOORS
    for row in rows.values():
        assert row.connections == 2
        assert len(row.rounds) == 2
        assert is_spread(row.per_second)
        assert is_spread(row.share_of_floor)
        assert is_latency(row.latency)
        assert row.errors == 0


def test_echo_measures_larger_messages(report: Report) -> None:
    """Every size of message is sent to every exhibit."""
    sizes = {(row.exhibit, row.payload_bytes) for row in report.echo}

    assert len(sizes) == len(report.echo) == 3 * len(EXHIBITS | FLOORS)


def test_the_clients_ceiling_is_in_the_report(report: Report) -> None:
    """The same run tells what the client itself can do, on both protocols."""
    assert {ceiling.protocol for ceiling in report.ceilings} == {"ws", "http"}
    assert all(ceiling.per_second > 0 for ceiling in report.ceilings)


def test_latency_is_measured_at_a_share_of_what_echo_found(report: Report) -> None:
    """Each exhibit gets half and four fifths of what it was seen to do, and answers all of it."""
    assert {row.exhibit for row in report.latency} == EXHIBITS | FLOORS
    assert {row.load for row in report.latency} == {0.5, 0.8}
    most = {row.exhibit: row.per_second for row in report.echo if row.payload_bytes == 32}
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
    assert {row.neighbour for row in report.stall} == EXHIBITS | FLOORS
    for row in report.stall:
        assert is_spread(row.added_p99)
        assert 0 <= row.trace[0][0] < 0.1
        assert 1.8 < row.trace[-1][0] < 2
        assert row.errors == 0


def test_connections_are_counted_and_weighed(report: Report) -> None:
    """Idle sockets are opened as many as asked, and the memory and threads of each are told."""
    assert {row.exhibit for row in report.connections} == {"tuned/websocket", "floor/websocket"}
    for row in report.connections:
        assert row.opened == row.asked == 2
        assert row.per_second > 0


def test_the_terminal_shows_each_experiment(printed: str, report: Report) -> None:
    """What is printed has a table for each experiment, and says how it was measured."""
    for experiment in ("echo", "latency", "delay", "stall", "connections"):
        assert f"\n{experiment}: " in printed
    assert f"2 rounds, 0.05 s a turn, {report.cores}" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no-such"], "no experiment, exhibit or edition 'no-such' to measure: choose from echo"),
        (["tuned", "echo", "floor"], "no experiment, exhibit or edition 'floor'"),
        (["--rounds", "0"], "'0' is not a number over 0"),
        (["--seconds", "nan"], "'nan' is not a number over 0"),
        (["--server", "apache"], "invalid choice: 'apache'"),
        (["--json", "/no/such/folder/x.json"], "/no/such/folder/x.json cannot be written"),
    ],
)
def test_bad_usage_is_told(arguments: list[str], complaint: str) -> None:
    """What cannot be measured is refused in a sentence, before anything starts."""
    with pytest.raises(CommandError, match=complaint):
        call_command("bench", *arguments)
