"""``bench delivery``: a room on two real servers, and what it loses while something fails."""

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from sandbox.bench import faults, testbed
from sandbox.bench.exhibits import BY_ID, find
from sandbox.bench.experiments import delivery
from sandbox.bench.experiments.delivery import Delivery, Turn
from sandbox.bench.faults import FAULTS, Deployment
from sandbox.bench.members import Count
from sandbox.bench.output.html import as_html
from sandbox.bench.output.json import as_json, from_json
from sandbox.bench.output.terminal import show
from sandbox.bench.plan import plan
from sandbox.bench.run import Bench
from sandbox.bench.testbed import UnmeasurableError
from sandbox.processes.redis import Redis
from tests.bench.test_bench import Interrupting

LITTLE = replace(plan(quick=True), clients=8, messages=60, messages_per_second=50)


@pytest.fixture(scope="module")
def deployment(redis: Redis) -> Iterator[Deployment]:
    """Two Daphnes. They have a Redis of their own; the other one shows that there is a program."""
    redis.kill()
    with Deployment("daphne") as running:
        yield running


async def deliver(deployment: Deployment, exhibit: str, fault: str) -> delivery.DeliveryRow:
    experiment = Delivery(testbed.Testbed("daphne", [], {}), LITTLE)
    turn = await experiment.room(deployment, BY_ID[exhibit], fault)
    return experiment.row_of(fault, exhibit, turn)


def test_a_room_that_remembers_passes_every_probe_before() -> None:
    """The server that is asked the probes of compare has the settings that they need."""
    bench = Bench(
        ["daphne"], [], find(["history/async-websocket"], peers=False), plan(), Interrupting(0)
    )
    bench.run()

    assert bench.report.is_complete
    assert not bench.report.refused


def test_an_exhibit_that_fails_is_not_replaced() -> None:
    """Where no room is left to measure, none is measured."""
    assert not list(Delivery(testbed.Testbed("daphne", [], {}), LITTLE).steps())


@pytest.mark.parametrize(
    ("exhibit", "fault"),
    [
        *(("history/async-websocket", fault) for fault in FAULTS),
        ("history/websocket", "drops"),
        ("history/async-http", "drops"),
        ("rooms/async-http", "no fault"),
    ],
)
@pytest.mark.asyncio
async def test_nothing_is_lost(deployment: Deployment, exhibit: str, fault: str) -> None:
    """A room that remembers delivers everything once and in order, whatever fails, to all."""
    row = await deliver(deployment, exhibit, fault)

    assert row.published >= LITTLE.messages
    assert row.delivered == row.published * LITTLE.clients
    assert (row.lost, row.doubled, row.out_of_order, row.never, row.errors) == (0, 0, 0, 0, 0)
    assert bool(row.times_away) == (fault != "no fault")
    assert bool(row.back) == (fault != "no fault")


@pytest.mark.asyncio
async def test_a_room_loses_what_its_members_miss(deployment: Deployment) -> None:
    """Members that lose their connections lose messages, unless the room remembers."""
    row = await deliver(deployment, "rooms/async-websocket", "drops")

    assert row.times_away >= LITTLE.clients
    assert row.lost > 0
    assert row.delivered + row.lost == row.published * LITTLE.clients
    assert (row.doubled, row.out_of_order, row.never, row.errors) == (0, 0, 0, 0)
    assert max(row.lost_percent) > 0


def test_a_run_of_the_experiment(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs when it is named, and is printed, charted, written as JSON and read back."""
    redis.kill()
    monkeypatch.setattr(delivery, "FAULTS", {"link cut": FAULTS["link cut"]})
    exhibits = find(["history/async-json-websocket"], peers=False)
    assert [exhibit.id for exhibit in exhibits] == ["history/async-json-websocket"]
    bench = Bench(["daphne"], ["delivery"], exhibits, LITTLE, Interrupting(99))

    bench.run()

    assert bench.report.refused == []
    report = from_json(as_json(bench.report))
    (row,) = report.results["delivery"]
    assert (row.exhibit, row.fault, row.clients) == (exhibits[0].id, "link cut", LITTLE.clients)
    assert len(row.lost_percent) == 40
    page = as_html(report)
    assert "<h3>Delivery: what is lost while something fails</h3>" in page
    assert "<h3>Back after link cut</h3>" in page
    printed = io.StringIO()
    show(report, Console(file=printed, width=80))
    assert "delivery: link cut, 8 clients of a room on two servers, daphne" in printed.getvalue()
    assert "100.00" in printed.getvalue()


@pytest.mark.asyncio
async def test_clients_that_get_no_message_are_not_measured(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A room in which not all receive before the fault says nothing about the fault."""
    monkeypatch.setattr(delivery, "READY_SECONDS", 0.5)
    monkeypatch.setattr(delivery, "publishing_path", lambda *_: "/rooms/another/async-http/")

    with pytest.raises(UnmeasurableError, match="8 of 8 clients got no first message"):
        await deliver(deployment, "rooms/async-websocket", "no fault")


def test_losses_are_shown_where_they_were() -> None:
    """Each cell of the picture is the share that was lost of its part of the messages."""
    published = list(range(80))
    nothing, some = Count(frozenset(), 0, 0), Count(frozenset({0, 1, 79}), 0, 0)
    turn = Turn(published, 0, [nothing, some], [], 0, 0)

    trace = Delivery.trace(turn)

    assert len(trace) == 40
    assert (trace[0], trace[1], trace[39]) == (50, 0, 25)
    row = Delivery(testbed.Testbed("daphne", [], {}), LITTLE).row_of(
        "drops", "rooms/websocket", turn
    )
    assert (row.delivered, row.lost) == (157, 3)
    assert delivery.percent_delivered(row) == "98.12"
    almost = Turn(range(100_000), 0, [Count(frozenset({5}), 0, 0)], [], 0, 0)
    row = Delivery(testbed.Testbed("daphne", [], {}), LITTLE).row_of(
        "drops", "rooms/websocket", almost
    )
    assert delivery.percent_delivered(row) == "99.99"


def test_every_fault_is_described() -> None:
    """The page says in a sentence what each fault is."""
    assert list(FAULTS) == [
        "no fault", "drops", "deploy", "crash", "Redis restart", "link cut",
    ]  # fmt: skip
    assert all(one.sentence.endswith(".") for one in faults.FAULTS.values())
