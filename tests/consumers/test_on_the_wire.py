"""The same frames to all exhibits at once: on real sockets, through Daphne.

In-process tests cannot see what a server makes of a message: Daphne drops an empty reply, has a
cap of its own, and reads frames and bodies in its own way.
"""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandbox.processes.servers import Server
from tests.support.harness import Comparison, on_the_wire
from tests.support.strategies import KNOWN_FRAMES, Frame, frames

# A round trip through a server costs three times one in process.
a_third = settings(max_examples=max(50, settings().max_examples // 3))


@pytest.fixture(scope="module")
def comparison(daphne: Server) -> Iterator[Comparison]:
    with on_the_wire(daphne.url) as comparison:
        yield comparison


def test_known_frames_get_the_same_replies_from_all(comparison: Comparison) -> None:
    """What somebody once answered wrongly, all exhibits answer rightly, in one go."""
    comparison.ask(KNOWN_FRAMES)


@a_third
@given(frame=frames())
def test_one_message_gets_one_reply_from_all(comparison: Comparison, frame: Frame) -> None:
    """Whatever one message is, all exhibits send the same bytes, and the right ones."""
    comparison.ask([frame])


@a_third
@given(batch=st.lists(frames(), min_size=2, max_size=5))
@example(batch=['{"message":1,"delay":0.002}', '{"message":2}'])
def test_pipelined_messages_get_their_replies_in_order(
    comparison: Comparison, batch: list[Frame]
) -> None:
    """Messages sent without waiting, good and broken mixed, are answered one by one in order."""
    comparison.ask(batch)


def test_a_thousand_broken_messages_then_a_good_one(daphne: Server) -> None:
    """A connection that has sent a thousand broken messages still gets its echo."""
    with on_the_wire(daphne.url, "echo") as comparison:
        assert comparison.ask([*([b"\xff"] * 1000), '{"message":1}'])[-1] == b'{"message":1}'


def test_the_longest_reply_fits_through_the_server(comparison: Comparison) -> None:
    """The request that grows most when it is echoed stays under the server's cap."""
    (reply,) = comparison.ask(['{"message":[' + ",".join(["1e15"] * 13_000) + "]}"])

    assert len(reply) > 240_000
