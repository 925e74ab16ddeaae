"""What may come over the wire: every kind of request, good and broken, as small strategies."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.support.oracle import MAX_DEPTH, MAX_MESSAGE_BYTES

Frame = str | bytes


def strings() -> SearchStrategy[str]:
    """Any string UTF-8 can carry: control, combining, right-to-left and astral characters too."""
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def integers() -> SearchStrategy[int]:
    """Small ones, those around 2**53 and 2**64, and those of hundreds of digits."""
    edges = st.sampled_from([2**53, 2**63, 2**64, 10**300, 10**4299]).flatmap(
        lambda edge: st.integers(edge - 2, edge + 2)
    )
    return st.one_of(st.integers(-300, 300), st.integers(), edges, edges.map(lambda i: -i))


def doubles() -> SearchStrategy[float]:
    """Every finite double, both zeros, both ends, the subnormal ones."""
    edges = st.sampled_from([0.0, -0.0, 5e-324, 1.7976931348623157e308, 1e15, 1e16, 1e-7])
    return st.one_of(edges, st.floats(allow_nan=False, allow_infinity=False))


def falsy() -> SearchStrategy[Any]:
    """The values that a careless truth test loses."""
    return st.sampled_from([None, False, 0, 0.0, "", [], {}])


def json_values() -> SearchStrategy[Any]:
    """Any JSON value, nested a few levels."""
    leaves = st.one_of(falsy(), st.booleans(), integers(), doubles(), strings())
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(strings(), inner, max_size=4)
        ),
        max_leaves=8,
    )


def documents(value: Any) -> SearchStrategy[str]:
    """The ways to write one value: escaped or as it is, compact or spaced."""
    return st.builds(
        lambda ascii_only, separators, space: (
            space + json.dumps(value, ensure_ascii=ascii_only, separators=separators) + space
        ),
        st.booleans(),
        st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r ")]),
        st.sampled_from(["", " ", "\r\n\t"]),
    )


def nested(depth: int) -> str:
    """A request nested ``depth`` deep, the request object included."""
    return '{"message":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


def sized(size: int) -> str:
    """A request of ``size`` bytes."""
    shell = '{"message":""}'
    return shell[:-2] + "x" * (size - len(shell)) + shell[-2:]


def good_requests() -> SearchStrategy[str]:
    """Requests that are echoed: with other members, in any order, nested to the limit."""
    members = st.fixed_dictionaries(
        {"message": json_values()},
        optional={"delay": st.sampled_from([0, 0.0, -0.0, 0.001]), "other": json_values()},
    )
    shuffled = members.flatmap(lambda m: st.permutations(list(m.items()))).map(dict)
    written = shuffled.flatmap(documents)
    return st.one_of(
        written,
        written,
        st.integers(MAX_DEPTH - 2, MAX_DEPTH).map(nested),
        st.integers(4301, 5000).map(lambda digits: '{"message":-' + "7" * digits + "}"),
        json_values().flatmap(documents).map(lambda v: f'{{"message":0,"message":{v}}}'),
    )


KNOWN_FRAMES: list[Frame] = [
    # Broken JSON.
    "",
    b"",
    " ",
    "NaN",
    '{"message":NaN}',
    '{"message":-Infinity}',
    '{"message":1e400}',
    '{"message":01}',
    '{"message":1,}',
    "{'message':1}",
    '{"message":"\\ud800"}',
    b'{"message":"\xed\xa0\x80"}',
    b'{"message":"\xff"}',
    '\ufeff{"message":1}',
    b'\xef\xbb\xbf{"message":1}',
    '{"message":"\x00"}',
    '{"message":"\\x"}',
    '{"message":' + "9" * 5000 + ',"other":NaN}',
    '{"message":' + "9" * 5000 + ',"other":"\\udfff"}',
    # What a careless hand loses or changes.
    *(f'{{"message":{value}}}' for value in ("null", "false", "0", "0.0", '""', "[]", "{}")),
    '{"message":[9007199254740993,18446744073709551616,-0,-0.0,5e-324]}',
    '{"message":18446744073709551616}',
    '{"message":' + "7" * 5000 + "}",
    '{"message":0,"message":1}',
    '{"message":1,"delay":true}',
    '{"message":1,"delay":1' + "0" * 5000 + "}",
    # Just within, and just over, each limit.
    nested(MAX_DEPTH),
    nested(MAX_DEPTH + 1),
    '{"message":[' + "[]," * MAX_DEPTH + "[" * (MAX_DEPTH - 2) + "]" * (MAX_DEPTH - 2) + "]}",
    '{"message":"\\"' + "[{" * MAX_DEPTH + '"}',
    "[" * 60_000,
    sized(MAX_MESSAGE_BYTES),
    sized(MAX_MESSAGE_BYTES + 1),
    '{"message":"' + "é" * (MAX_MESSAGE_BYTES // 2) + '"}',
]
"""Frames that were, or would be, answered wrongly by somebody: tried first, every time."""


def broken_json() -> SearchStrategy[Frame]:
    """What is no JSON: cut short, a byte changed, NaN, a byte order mark, a lone surrogate."""
    cut = st.tuples(good_requests(), st.integers(0, 40)).map(lambda t: t[0][: t[1]])
    changed = st.tuples(good_requests(), st.integers(0, 60), st.binary(min_size=1, max_size=2)).map(
        lambda t: t[0].encode()[: t[1]] + t[2] + t[0].encode()[t[1] + 1 :]
    )
    return st.one_of(st.sampled_from(KNOWN_FRAMES[:19]), cut, changed)


def broken_requests() -> SearchStrategy[str]:
    """JSON that is no request: no object, no message, or a delay out of range."""
    delays = st.sampled_from([-1, -5e-324, 1.0000000000000002, 2, True, None, "0", [0]])
    bad_delay = st.tuples(json_values(), delays).map(lambda t: {"message": t[0], "delay": t[1]})
    no_message = st.dictionaries(strings().filter(lambda s: s != "message"), json_values())
    return st.one_of(
        st.one_of(json_values(), no_message).flatmap(documents),
        bad_delay.flatmap(documents),
        st.just('{"message":1,"delay":1' + "0" * 5000 + "}"),
    )


def over_the_limits() -> SearchStrategy[Frame]:
    """Too deep or too large by one or by far, closed or not, and brackets that do not count."""
    return st.one_of(
        st.integers(MAX_DEPTH + 1, MAX_DEPTH + 3).map(nested),
        st.sampled_from(["[", '{"a":']).map(lambda opening: opening * 8000),
        st.integers(MAX_MESSAGE_BYTES - 1, MAX_MESSAGE_BYTES + 2).map(sized),
        st.just("[" * 300_000),
        st.just('{"message":"\\"' + "[{" * 400 + '"}'),
        st.just('{"message":[' + ",".join(["[]"] * 400) + "]}"),
    )


def frames() -> SearchStrategy[Frame]:
    """Anything a client may send in one message: text or binary, good, broken or plain noise."""
    text_or_binary = st.one_of(good_requests(), broken_requests()).flatmap(
        lambda text: st.sampled_from([text, text.encode()])
    )
    return st.one_of(
        text_or_binary,
        text_or_binary,
        broken_json(),
        over_the_limits(),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.binary(),
    )
