"""The probes and the declared differences as data, without any server."""

from collections import Counter
from typing import cast

import pytest

from consumers.catalogue import CATALOGUE
from consumers.contract import Limits, answer, decode, encode
from consumers.contract_http import decode_http, encode_http
from sandbox.compare.differences import DIFFERENCES, SERVERS, declared
from sandbox.compare.probes import CONTRACT, LIMITS, TABLES, Probe
from sandbox.compare.steps import Ask, Request, Session, brief, is_same_json

ASKING = [probe for probe in CONTRACT if all(isinstance(step, Ask) for step in probe.steps)]
REQUESTING = [
    probe
    for probe in CONTRACT
    # Which paths there are is not the contract's.
    if all(isinstance(step, Request) and step.suffix != "nowhere/" for step in probe.steps)
]
SESSION = Session(CATALOGUE[0], "http://nowhere", log=None)


def test_every_table_has_each_probe_once() -> None:
    """A probe's id names one probe of an edition; the contract has 45 of them at least."""
    for table in TABLES.values():
        assert not [name for name, times in Counter(p.id for p in table).items() if times > 1]
    assert len(CONTRACT) >= 45


@pytest.mark.parametrize("probe", CONTRACT, ids=lambda probe: probe.id)
def test_probe_says_what_it_is(probe: Probe) -> None:
    """A probe is told in one sentence, expects something, and says where it does not apply."""
    assert probe.sentence.endswith(".")
    assert probe.expected
    assert bool(probe.only) == bool(probe.because)


def test_limits_are_the_defaults() -> None:
    """The table is written for the limits that a deployment has unless it says otherwise."""
    defaults = Limits()
    assert {name: float(value) for name, value in LIMITS.items()} == {
        "MAX_DELAY": defaults.max_delay,
        "MAX_MESSAGE_BYTES": defaults.max_message_bytes,
        "MAX_DEPTH": defaults.max_depth,
    }


@pytest.mark.parametrize("probe", ASKING, ids=lambda probe: probe.id)
def test_contract_keeps_the_table(probe: Probe) -> None:
    """In process, the contract gives the very reply that the table has for a request."""
    for step in cast("tuple[Ask, ...]", probe.steps):
        payload = b"".join(step.payload) if isinstance(step.payload, tuple) else step.payload
        reply = encode(answer(decode(payload, Limits())))
        assert SESSION.words(reply, step.reply) == step.expected


@pytest.mark.parametrize("probe", REQUESTING, ids=lambda probe: probe.id)
def test_contract_keeps_the_table_over_http(probe: Probe) -> None:
    """In process, the contract gives the status and the body that the table has for a request."""
    for step in cast("tuple[Request, ...]", probe.steps):
        body = step.body if isinstance(step.body, bytes) else b"".join(step.body)
        query = step.suffix.removeprefix("?").encode()
        reply = encode_http(step.method, decode_http(step.method, query, body, Limits()))
        assert reply.status == step.status
        if step.reply:
            assert SESSION.words(reply.body.decode(), step.reply) == brief(step.reply)


def test_every_difference_speaks_of_cells_that_there_are() -> None:
    """A declared difference names probes that exist, and says in a sentence why."""
    known = {probe.id for table in TABLES.values() for probe in table}
    for difference in DIFFERENCES:
        assert set(difference.seen) <= known
        assert set(difference.servers) <= set(SERVERS)
        assert difference.reason.endswith(".")


def test_no_cell_is_declared_twice() -> None:
    """One row speaks of a cell, and every row speaks of one."""
    used: set[int] = set()
    for exhibit in CATALOGUE:
        for probe in TABLES[exhibit.edition.probes]:
            for server in SERVERS:
                rows = declared(probe.id, exhibit.id, server)
                assert len(rows) <= 1, (server, exhibit.id, probe.id)
                used.update(map(id, rows))
    assert used == {id(difference) for difference in DIFFERENCES}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a": 1}', '{"a":1}', True),
        ('"\\u00e9"', '"é"', True),
        ("1", "1.0", False),
        ("1", "true", False),
        ("0", "false", False),
        ("-0.0", "0.0", False),
        ("9007199254740993", "9007199254740992", False),
        ("1" * 5000, "1" * 4999 + "2", False),
        ("1" * 5000, " " + "1" * 5000, True),
        ('{"a":1,"b":2}', '{"b":2,"a":1}', False),
        ("NaN", "nonsense", False),
    ],
)
def test_json_values_are_compared_strictly(one: str, other: str, *, same: bool) -> None:
    """How a value is written does not matter, its type and every digit do."""
    assert is_same_json(one, other) == same


def test_what_is_cut_out_still_counts() -> None:
    """Two long replies that look alike once cut short are not taken for the same."""
    expected = f'{{"message":{"9" * 5000}}}'
    reply = expected.replace("9" * 5000, "9" * 2500 + "8" + "9" * 2499)
    assert brief(reply) == brief(expected)
    assert SESSION.words(reply, expected) != brief(expected)
    assert SESSION.words(expected, expected) == brief(expected)


def test_what_cannot_be_printed_is_escaped() -> None:
    """A reply cannot turn the terminal's writing direction, or colour it."""
    assert brief("\u202e\x1b[31m") == r"\u202e\u001b[31m"
