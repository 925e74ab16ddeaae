"""The probes and the declared differences as data, without any server."""

from collections import Counter
from itertools import product
from typing import cast

import pytest

from consumers.catalogue import CATALOGUE
from consumers.contract import Limits, answer, decode, encode
from consumers.contract_http import decode_http, encode_http
from sandbox.compare.differences import DIFFERENCES, EVERYWHERE, declared
from sandbox.compare.engine import Cell
from sandbox.compare.needs import missing
from sandbox.compare.observations import (
    Closed,
    ErrorReply,
    Observations,
    Reply,
    Response,
    Silence,
    is_same_json,
    meets,
    reply_of,
)
from sandbox.compare.output.words import in_words, seen_in_words
from sandbox.compare.probe import Probe
from sandbox.compare.probes import CONTRACT, SETTINGS, TABLES, table
from sandbox.compare.steps import Ask, Request

ASKING = [probe for probe in CONTRACT if all(isinstance(step, Ask) for step in probe.steps)]
REQUESTING = [
    probe
    for probe in CONTRACT
    # Which paths and hosts there are is not the contract's.
    if all(
        isinstance(step, Request) and not step.host and step.suffix != "nowhere/"
        for step in probe.steps
    )
]


def test_every_table_has_each_probe_once() -> None:
    """A probe's id names one probe of an edition; the contract has 45 of them at least."""
    for name in TABLES:
        assert not [one for one, times in Counter(p.id for p in table(name)).items() if times > 1]
    assert len(CONTRACT) >= 45


@pytest.mark.parametrize("probe", CONTRACT, ids=lambda probe: probe.id)
def test_probe_says_what_it_is(probe: Probe) -> None:
    """A probe has one sentence, a group, an expectation, and says where it does not apply."""
    assert probe.sentence.endswith(".")
    assert probe.group
    assert probe.expected
    assert bool(probe.only) == bool(probe.because)


def test_limits_are_the_defaults() -> None:
    """The tables are written for the limits that a deployment has unless it says otherwise."""
    defaults = Limits()
    limits = {name: float(value) for name, value in SETTINGS.items() if name.startswith("MAX_")}
    assert limits == {
        "MAX_DELAY": defaults.max_delay,
        "MAX_MESSAGE_BYTES": defaults.max_message_bytes,
        "MAX_DEPTH": defaults.max_depth,
    }


@pytest.mark.parametrize("probe", ASKING, ids=lambda probe: probe.id)
def test_contract_keeps_the_table(probe: Probe) -> None:
    """In process, the contract gives the very reply that the table has for a request."""
    for step, expected in zip(cast("tuple[Ask, ...]", probe.steps), probe.expected, strict=True):
        payload = b"".join(step.payload) if isinstance(step.payload, tuple) else step.payload
        reply = encode(answer(decode(payload, Limits())))
        assert reply_of(reply) == expected


@pytest.mark.parametrize("probe", REQUESTING, ids=lambda probe: probe.id)
def test_contract_keeps_the_table_over_http(probe: Probe) -> None:
    """In process, the contract gives the status and the body that the table has for a request."""
    for step, expected in zip(
        cast("tuple[Request, ...]", probe.steps), probe.expected, strict=True
    ):
        assert isinstance(expected, Response)
        scope = {
            "method": step.method,
            "query_string": step.suffix.removeprefix("?").encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in step.headers],
        }
        reply = encode_http(step.method, decode_http(scope, step.body, Limits()))
        assert reply.status == expected.status
        assert (reply_of(reply.body.decode()) if reply.body else None) == expected.reply


def test_every_difference_is_about_probes_that_exist() -> None:
    """A declared difference names probes that exist, and says in a sentence why."""
    known = {probe.id for name in TABLES for probe in table(name)}
    for difference in DIFFERENCES:
        assert set(difference.seen) <= known
        assert set(difference.servers) <= set(EVERYWHERE)
        assert difference.reason.endswith(".")
        assert difference.link.startswith("https://") or not difference.link


VERSIONS: tuple[dict[str, str], ...] = (
    {},
    {"channels": "4.3.2", "daphne": "4.2.3"},
    {"channels": "4.1.0", "daphne": "4.2.1"},
    {"channels": "4.0.0", "daphne": "4.0.0"},
)
"""Some that rows are about."""


def test_no_cell_is_declared_twice() -> None:
    """A cell is in one row for all versions at most, and one for its own; every row has a cell."""
    used: set[int] = set()
    for exhibit in CATALOGUE:
        for probe in table(exhibit.edition.probes):
            for server, versions in product(EVERYWHERE, VERSIONS):
                rows = [
                    row for row in DIFFERENCES if row.covers(probe.id, exhibit.id, server, versions)
                ]
                for_all = [row for row in rows if not row.packages]
                assert len(for_all) <= 1, (server, exhibit.id, probe.id)
                assert len(rows) - len(for_all) <= 1, (server, versions, exhibit.id, probe.id)
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


def differing(seen: Observations, expected: Observations) -> Cell:
    return Cell("daphne", "echo/websocket", "digits-5000", "differs", expected, seen)


def test_a_difference_in_the_middle_is_a_difference() -> None:
    """Two long replies that look the same when shortened are not, and the words show where."""
    expected = (Reply(f'{{"message":{"9" * 5000}}}'),)
    seen = (Reply(f'{{"message":{"9" * 2500}8{"9" * 2499}}}'),)
    assert in_words(seen) == in_words(expected)
    assert not meets(seen, expected)
    assert "“8999" in seen_in_words(differing(seen, expected))


def test_what_no_longer_differs_is_shown_whole() -> None:
    """Where a declared difference is gone, the words are those of the contract and no more."""
    assert seen_in_words(differing((Closed(1000),), (Closed(1000),))) == "closed 1000"


def test_spelling_counts_only_where_it_is_asked_for() -> None:
    """Another spelling of the same JSON is the same for an edition with a codec of its own."""
    seen, expected = (Reply('{"message": 1}'),), (Reply('{"message":1}'),)
    assert not meets(seen, expected)
    assert meets(seen, expected, any_spelling=True)
    assert meets((Response(200, *seen),), (Response(200, *expected),), any_spelling=True)
    assert not meets((Response(201, *seen),), (Response(200, *expected),), any_spelling=True)
    assert not meets((*seen, Closed(1000)), expected, any_spelling=True)


@pytest.mark.parametrize(
    "text",
    [
        '{"error": {"code": "c", "detail": "d"}}',
        '{"error":{"detail":"d","code":"c"}}',
        '{"error":{"code":"c","detail":"d"},"message":1}',
        '{"error":{"code":"c","detail":"d","more":1}}',
        '{"error":{"code":"c"}}',
        '{"error":{"code":1,"detail":"d"}}',
        '[{"error":{"code":"c","detail":"d"}}]',
    ],
)
def test_an_error_is_the_very_bytes_of_the_contract(text: str) -> None:
    """What is written in any other way than the contract's is no error reply."""
    assert reply_of('{"error":{"code":"c","detail":"d"}}') == ErrorReply("c")
    assert reply_of(text) == Reply(text)


def test_what_cannot_be_printed_is_escaped() -> None:
    """A reply cannot turn the terminal's writing direction, nor change its colours."""
    assert in_words([Reply("\u202e\x1b[31m")]) == r"\u202e\u001b[31m"


@pytest.mark.parametrize(
    ("versions", "is_older"),
    [({}, False), ({"daphne": "4.2.2"}, False), ({"daphne": "4.2.1"}, True)],
)
def test_a_difference_may_be_that_of_some_versions(
    versions: dict[str, str], *, is_older: bool
) -> None:
    """A row for versions counts where they are known to be in the environment, and there only."""
    for exhibit in ("echo/websocket", "tutorial/websocket"):
        row = declared("over-1-mib", exhibit, "daphne", versions)
        assert (row is not None) == is_older
        assert row is None or "since 4.2.2" in row.reason


def test_the_row_for_a_version_comes_first() -> None:
    """What a version does counts before what is declared for all versions."""
    exhibit = ("plain-text", "tutorial/async-http", "daphne")
    usual, older = declared(*exhibit), declared(*exhibit, {"channels": "4.0.0"})
    assert usual
    assert older
    assert usual.seen["plain-text"] == (Response(500),)
    assert older.seen["plain-text"] == (Silence(20.0),)


@pytest.mark.parametrize(
    ("versions", "missing_in"),
    [
        ({}, set()),
        ({"asgiref": "3.13.0"}, set()),
        ({"asgiref": "3.12.1"}, {"echo/websocket", "tutorial/async-http"}),
    ],
)
def test_what_a_version_lacks_is_known(versions: dict[str, str], missing_in: set[str]) -> None:
    """What needs a newer package does not apply, with the reason; stock and baseline need none."""
    ids = ("echo/websocket", "tutorial/async-http", "stock/websocket", "baseline/websocket")
    for exhibit in CATALOGUE:
        if exhibit.id in ids:
            because = missing(exhibit, versions)
            assert bool(because) == (exhibit.id in missing_in)
            assert not because or "needs asgiref 3.13, and this is asgiref 3.12.1." in because
