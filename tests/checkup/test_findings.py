"""What is found of consumers whose faults are known, and how it is written down."""

import asyncio
import json
import re
import threading
import time
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from sandbox.checkup import acquaintance, client
from sandbox.checkup.acquaintance import ROUND_TRIPS, meet
from sandbox.checkup.application import started
from sandbox.checkup.check import Finding
from sandbox.checkup.checks.bad_input import BAD_INPUT
from sandbox.checkup.checks.load import FLOODED, PIPELINED, busy
from sandbox.checkup.checks.opening import FOREIGN
from sandbox.checkup.client import Caller
from sandbox.checkup.outcomes import (
    After,
    Cap,
    Flood,
    Gone,
    Left,
    Order,
    Outcome,
    Skipped,
    Times,
    Tried,
    UnderLoad,
    Unread,
    Wait,
)
from sandbox.checkup.output.html import as_html
from sandbox.checkup.output.json import as_json
from sandbox.checkup.output.markdown import as_markdown
from sandbox.checkup.output.terminal import show
from sandbox.checkup.output.words import found_in_words
from sandbox.checkup.plan import CHECKS, Plan, plan
from sandbox.checkup.report import Patient, Report
from sandbox.checkup.run import check_up
from sandbox.checkup.target import Manner, Target, TargetError
from sandbox.compare.observations import Opened, Refused, Reply
from sandbox.processes.servers import ROOT, installed
from sandbox.wire import Trace
from tests.checkup.conftest import application, echo_server

TIMED = {"round-trip", "neighbours-under-load", "never-reads"}
"""Their grades depend on the machine."""
JSON_ERRORS = {"not-json", "truncated", "empty-text", "deep"}
NO_BYTES = {"binary", "empty-binary", "bad-binary"}
OPEN_TO_ALL = {"foreign-origin": "bad", "other-host": "note"}
NOT_ASKED = {"subprotocol": "skipped", "neighbours-under-slow": "skipped"}


def bad(*checks: str) -> dict[str, str]:
    return dict.fromkeys(checks, "bad")


def notes(*checks: str) -> dict[str, str]:
    return dict.fromkeys(checks, "note")


TUTORIAL = bad(*JSON_ERRORS, *NO_BYTES, "array", "null", "no-members", "nan")

GRADES: dict[str, dict[str, str]] = {
    "tutorial": {**NOT_ASKED, **TUTORIAL},
    "chat": {**NOT_ASKED, **TUTORIAL, **notes("no-origin", "other-host")},
    "actions": {**NOT_ASKED, **OPEN_TO_ALL, **notes("vanish")},
    "commands": {
        **NOT_ASKED,
        **OPEN_TO_ALL,
        **bad(*JSON_ERRORS, *NO_BYTES, "array", "null"),
        **notes("no-members"),
    },
    "starlette": {
        **NOT_ASKED,
        **OPEN_TO_ALL,
        **bad("subprotocol"),
        **notes(*NO_BYTES),
    },
    "dies": {**NOT_ASKED, **OPEN_TO_ALL, **TUTORIAL},
    "silent": {
        **NOT_ASKED,
        **OPEN_TO_ALL,
        **notes("not-json", "truncated", "empty-text", *NO_BYTES, "array", "null", "no-members"),
        **notes("other-type", "nan", "deep", "large"),
        **dict.fromkeys(("order", "never-reads"), "skipped"),
    },
    "blocks": {**NOT_ASKED, **OPEN_TO_ALL, **bad("neighbours-under-slow")},
    "overtakes": {
        **NOT_ASKED,
        **OPEN_TO_ALL,
        **notes("order", "empty-text", *NO_BYTES),
    },
    "websockets": {**NOT_ASKED, **OPEN_TO_ALL},
}
"""The grades that are not good."""


def of(patients: dict[str, Patient], name: str) -> Patient:
    if name not in patients:
        pytest.skip(f"The server of {name} is not installed.")
    return patients[name]


@pytest.mark.parametrize("name", GRADES)
def test_each_grade_is_true(name: str, patients: dict[str, Patient]) -> None:
    """A consumer gets the grades that its code deserves, and no others."""
    found = {
        one.check.id: (one.grade, found_in_words(one))
        for one in of(patients, name).findings
        if one.check.id not in TIMED
    }
    wrong = {
        check: (grade, words)
        for check, (grade, words) in found.items()
        if grade != GRADES[name].get(check, "good")
    }
    assert not wrong


def test_a_death_has_its_code_and_its_exception(patients: dict[str, Patient]) -> None:
    """Where the application was started here, a death comes with what was raised, and where."""
    finding = of(patients, "chat").finding("no-members")
    assert finding.outcome == After((), 1011, is_useful=False)
    assert finding.raised is not None
    assert finding.raised.words == "KeyError: 'message'"
    assert finding.raised.file == "tests/support/foreign/chat.py"
    assert finding.events


def test_an_answer_is_shown_as_it_came(patients: dict[str, Patient]) -> None:
    """An error that is answered is an answer, also where a greeting comes first."""
    actions = of(patients, "actions")
    assert actions.habits.greetings == 1
    answer = Reply('{"action": "error", "payload": "invalid message"}')
    assert actions.finding("not-json").outcome == After((answer,), None, is_useful=True)


def test_nan_in_an_echo_is_no_fault(patients: dict[str, Patient]) -> None:
    """NaN that comes back is bad where JSON is spoken, and not where nothing is read."""
    assert patients["websockets"].habits.is_unread
    assert not patients["tutorial"].habits.is_unread
    reply = After((Reply('{"message": NaN}'),), None, is_useful=True)
    assert patients["websockets"].finding("nan").outcome == reply
    assert patients["tutorial"].finding("nan").outcome == reply


def test_a_shared_room_is_known(patients: dict[str, Patient]) -> None:
    """Replies that all connections hear are no answers to what others sent."""
    chat = of(patients, "chat")
    assert chat.habits.is_shared
    assert chat.habits.origin == chat.target.own_origin
    assert chat.finding("no-origin").outcome == Tried(Refused(403))
    assert not patients["tutorial"].habits.is_shared
    own = Reply('{"message": {"a": [1, null]}}')
    assert chat.finding("other-type").outcome == After((own,), None, is_useful=True)


def test_who_may_open_it(patients: dict[str, Patient]) -> None:
    """A foreign Origin is refused by one consumer, and answered by another."""
    assert patients["tutorial"].finding("foreign-origin").outcome == Tried(Refused(403))
    opened = Tried(Opened(), is_answered=True)
    assert patients["websockets"].finding("foreign-origin").outcome == opened


def test_order_is_seen(patients: dict[str, Patient]) -> None:
    """Replies that overtake each other are counted as answered, and are not in order."""
    in_order = Order(PIPELINED, PIPELINED, in_order=True)
    assert patients["tutorial"].finding("order").outcome == in_order
    overtaken = patients["overtakes"].finding("order").outcome
    assert overtaken == replace(in_order, in_order=False)
    assert isinstance(of(patients, "silent").finding("order").outcome, Skipped)


def test_a_neighbour_that_waits_is_seen(patients: dict[str, Patient]) -> None:
    """While --slow blocks the process, another connection waits for it."""
    outcome = of(patients, "blocks").finding("neighbours-under-slow").outcome
    assert isinstance(outcome, Wait)
    assert outcome.waits
    assert outcome.busy is not None
    assert outcome.busy >= 0.7


def test_a_neighbour_in_the_room_of_a_slow_one_does_not_wait() -> None:
    """In a room too, the neighbour's reply is not that to --slow, and its own time is shown."""
    room: set[ServerConnection] = set()

    def say(text: str) -> None:
        for member in set(room):
            with suppress(ConnectionClosed):
                member.send(text)

    def chat(connection: ServerConnection) -> None:
        room.add(connection)
        for message in connection:
            text = str(message)
            threading.Timer(1.5 if text == "sleep" else 0, say, [text]).start()
        room.discard(connection)

    with echo_server(chat) as url:
        manner = Manner("hi", slow="sleep")
        finding = found_alone("neighbours-under-slow", Target.of(url, manner))
    assert finding.grade == "good"
    assert isinstance(finding.outcome, Wait)
    assert finding.outcome.neighbour is not None
    assert finding.outcome.neighbour < 1.2 < (finding.outcome.busy or 0)


@pytest.mark.parametrize("allowed", [1, 4])
def test_neighbours_that_are_refused_are_no_load(
    allowed: int, websockets_echo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of few connections that are accepted one is quiet; without any other there is no load."""
    opened, open_one = count(), Caller.open

    def refuse_the_last(self: Caller, trace: Trace | None = None) -> Any:
        if next(opened) >= allowed:
            raise ConnectionRefusedError
        return open_one(self, trace)

    async def look() -> Outcome:
        caller = Caller(Target.of(websockets_echo, Manner()))
        await meet(caller)
        monkeypatch.setattr(Caller, "open", refuse_the_last)
        return await busy(caller, Trace())

    outcome = asyncio.run(look())
    if allowed == 1:
        assert isinstance(outcome, Skipped)
    else:
        assert isinstance(outcome, UnderLoad)
        assert (outcome.others, outcome.lost_after) == (allowed - 1, None)


def test_the_cap_of_the_server_is_found(patients: dict[str, Patient]) -> None:
    """A message over the server's cap is not the consumer's fault, and says where the cap is."""
    for name, taken, code in (("websockets", 0, 1009), ("tutorial", 0, 1006)):
        outcome = patients[name].finding("over-cap").outcome
        assert isinstance(outcome, Cap)
        assert (outcome.taken, outcome.after.closed) == (taken, code)


def test_a_flood_is_counted(patients: dict[str, Patient]) -> None:
    """Each request of a flood is answered, and the connection is of use afterwards."""
    outcome = patients["tutorial"].finding("flood").outcome
    assert isinstance(outcome, Flood)
    assert 10 <= outcome.sent <= FLOODED
    assert outcome.answered == outcome.sent
    assert outcome.is_useful


def test_one_that_never_reads_stalls_nobody(patients: dict[str, Patient]) -> None:
    """Another client is answered while one never reads."""
    for name in ("tutorial", "overtakes", "websockets"):
        outcome = patients[name].finding("never-reads").outcome
        assert isinstance(outcome, Unread)
        assert outcome.is_answered
        assert outcome.size


def test_clients_that_vanish_raise(patients: dict[str, Patient]) -> None:
    """On Uvicorn a consumer that sends to a client that has left raises, which is seen."""
    outcome = of(patients, "actions").finding("vanish").outcome
    assert isinstance(outcome, Left)
    assert outcome.is_answered
    assert outcome.raised
    assert "Error" in outcome.error or "Disconnected" in outcome.error


def test_one_that_takes_the_server_down_is_named(patients: dict[str, Patient]) -> None:
    """What ends the server is known, and nothing is blamed for what came after it."""
    exits = of(patients, "exits")
    assert exits.finding("null").outcome == Gone()
    grades = {one.check.id: one.grade for one in exits.findings if one.check.id not in TIMED}
    assert {check for check, grade in grades.items() if grade == "bad"} == {
        "null",
        "foreign-origin",
    }
    assert grades["not-json"] == grades["flood"] == "skipped"


def found_alone(check: str, target: Target) -> Finding:
    """Make one check only."""
    planned = plan(target.manner, may_load=True, chosen=[check])
    return asyncio.run(check_up(target, planned)).finding(check)


@pytest.mark.skipif("uvicorn" not in installed(), reason="Uvicorn is not installed.")
@pytest.mark.parametrize("check", ["null", "over-cap"])
def test_the_last_check_may_take_the_server_down(check: str) -> None:
    """A check after which no connection is taken is bad, also if nothing is checked after it."""
    with started(application("plain:exits"), "uvicorn", Manner(seconds=3.0)) as target:
        finding = found_alone(check, target)
    assert (finding.outcome, finding.grade) == (Gone(), "bad")


def test_a_limit_of_connections_takes_no_server_down() -> None:
    """A server that takes few connections of one client gets bad input in parts, and is alive."""
    there: set[ServerConnection] = set()

    def echo(connection: ServerConnection) -> None:
        there.add(connection)
        try:
            for message in connection:
                connection.send(message)
        finally:
            there.discard(connection)

    def admit(connection: ServerConnection, _request: Request) -> Response | None:
        return connection.respond(429, "Too many.\n") if len(there) >= 9 else None

    with echo_server(echo, process_request=admit) as url:
        manner = Manner("hi")
        planned = plan(manner, may_load=True, chosen=[one.id for one in BAD_INPUT])
        patient = asyncio.run(check_up(Target.of(url, manner), planned))
    assert {one.grade for one in patient.findings} == {"good"}
    assert patient.spent.connections <= planned.connections


def test_a_late_answer_is_no_refusal() -> None:
    """A foreign Origin that opens a connection is bad, also if the answer is not waited for."""

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            if connection.request and connection.request.headers.get("Origin") == FOREIGN:
                time.sleep(2)
            connection.send(message)

    with echo_server(echo) as url:
        assert found_alone("foreign-origin", Target.of(url, Manner())).grade == "bad"


@pytest.mark.parametrize("code", [1008, None], ids=["by closing", "by silence"])
def test_one_that_limits_requests_is_met(code: int | None) -> None:
    """A consumer that ends, or ignores, a client that asks too often is checked up on."""

    def echo(connection: ServerConnection) -> None:
        for number, message in enumerate(connection):
            if number < 10:
                connection.send(message)
            elif code is not None:
                connection.close(code)

    with echo_server(echo) as url:
        manner = Manner("hi", seconds=1.5)
        planned = plan(manner, may_load=True, chosen=["round-trip", "order"])
        patient = asyncio.run(check_up(Target.of(url, manner), planned))
    order = patient.finding("order")
    assert patient.finding("round-trip").grade == "good"
    assert isinstance(order.outcome, Order)
    assert order.outcome.closed == code
    assert order.grade == ("bad" if code is None else "note")


def test_one_that_sends_all_the_time_is_met_by_its_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A consumer that never stops sending needs --reply, and is known by its answers then."""

    def tick(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                connection.send("tick")
                time.sleep(0.1)

    def echo(connection: ServerConnection) -> None:
        threading.Thread(target=tick, args=[connection], daemon=True).start()
        for message in connection:
            connection.send(message)

    monkeypatch.setattr(client, "LONGEST_HEARD", 1.0)
    monkeypatch.setattr(acquaintance, "GREETING_SECONDS", 5.0)  # a slow machine is no silence
    with echo_server(echo) as url:
        with pytest.raises(TargetError, match="sends messages all the time: say with --reply"):
            found_alone("round-trip", Target.of(url, Manner("hi")))
        finding = found_alone("order", Target.of(url, Manner("hi", reply=re.compile("hi"))))
    assert finding.outcome == Order(PIPELINED, PIPELINED, in_order=True)


def test_slow_answers_that_come_in_order_are_in_order() -> None:
    """Requests at once may take longer than --timeout altogether, if each answer comes in time."""

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            time.sleep(0.06)
            connection.send(message)

    with echo_server(echo) as url:
        finding = found_alone("order", Target.of(url, Manner("hi", seconds=2.0)))
    assert finding.outcome == Order(PIPELINED, PIPELINED, in_order=True)


def test_the_round_trip_is_measured(patients: dict[str, Patient]) -> None:
    """The round trip at rest is of many requests, and its p99 is no shorter than its p50."""
    for patient in patients.values():
        outcome = patient.finding("round-trip").outcome
        assert isinstance(outcome, Times)
        assert 0 < outcome.count <= ROUND_TRIPS
        assert 0 < outcome.p50 <= outcome.p99


def test_no_more_is_sent_than_stated(patients: dict[str, Patient], planned: Plan) -> None:
    """What was said first is the most that is sent."""
    for patient in patients.values():
        assert patient.spent.connections <= planned.connections
        assert patient.spent.messages <= planned.messages
        assert patient.spent.size <= planned.size


def test_each_cure_is_there() -> None:
    """Each check says in one sentence why it matters, and where the cure is."""
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        file, _, section = check.cure.partition("#")
        assert (ROOT / file).exists(), check.id
        assert not section or f"\n## {section.title()}\n" in Path(ROOT / file).read_text()
        assert check.why.endswith(".")
        assert ". " not in check.why


# Outputs.


def test_the_json_is_as_its_schema_says(report: Report) -> None:
    """What is written for programs is what schema.json says, for each outcome."""
    schema = json.loads((ROOT / "sandbox/checkup/schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    document = json.loads(as_json(report))
    Draft202012Validator(schema).validate(document)
    assert len(document["consumers"]) == len(report.patients)
    assert {one["id"] for one in document["consumers"][0]["findings"]} == {one.id for one in CHECKS}


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_terminal_shows_all(width: int, report: Report) -> None:
    """Each check is in the terminal, whatever its width, and no line is wider."""
    output = StringIO()
    show(report, Console(file=output, width=width))
    assert max(map(len, output.getvalue().splitlines())) <= width
    assert all(check.id in output.getvalue() for check in CHECKS)


def test_the_page_and_the_table_show_all(report: Report) -> None:
    """Each finding is on the page and in the table, and what came over the wire is escaped."""
    page, table = as_html(report), as_markdown(report)
    for check in CHECKS:
        assert page.count(f'aria-label="{check.id}"') == len(report.patients)
        assert table.count(f"| `{check.id}` |") == len(report.patients)
    assert "KeyError: &#x27;message&#x27;" in page
    assert "<script" not in page
