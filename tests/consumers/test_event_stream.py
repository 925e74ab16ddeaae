"""What a request asks for in its Accept header. The usual cases are probes of compare."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.rooms.event_stream import accepts_events


def asks(*lines: bytes) -> bool:
    return accepts_events({"headers": [(b"accept", line) for line in lines]})


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"text/event-stream", True),
        (b" Text/Event-Stream ;q=0.001", True),
        (b"text/event-stream;charset=utf-8", True),
        (b"text/html,text/event-stream;q=0.5,*/*;q=0.1", True),
        (b"text/event-stream;q=0, */*", False),
        (b"text/event-stream;q=0.000", False),
        (b"text/event-stream;q=0;a=b", False),
        (b"text/event-stream;a=b;q=0", False),
        (b"xtext/event-stream", False),
        (b"text/event-stream/x", False),
        (b"a/b;c=text/event-stream", False),
        (b"text/event-stream;c*=nonsense''d", False),
        (b"text/event-stream" + b";" * 60_000 + b"q=0", False),
        (b"", False),
        (b",;=", False),
    ],
)
def test_accept_is_parsed(accept: bytes, *, expected: bool) -> None:
    """Case, spaces and parameters do not matter; a quality of 0, another type and wildcards do."""
    assert asks(accept) is expected


def test_no_accept_asks_for_nothing() -> None:
    """A request without Accept does not ask for events."""
    assert not asks()


PIECES = st.sampled_from(
    ["text/event-stream", "*/*", ";", ",", "q", "=", "0", "*", "'", '"', "\\", "utf-8", " ", "é"]
)


@given(st.lists(st.one_of(st.binary(), st.lists(PIECES).map(lambda p: "".join(p).encode()))))
def test_any_accept_is_read(lines: list[bytes]) -> None:
    """Whatever bytes a client sends as Accept, there is an answer."""
    assert asks(*lines) in (True, False)
