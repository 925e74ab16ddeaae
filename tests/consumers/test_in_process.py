"""The same frames to all exhibits at once: in process, through communicators."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.harness import Comparison, in_process
from tests.support.strategies import KNOWN_FRAMES, Frame, frames


@pytest.fixture(scope="module")
def comparison() -> Iterator[Comparison]:
    with in_process() as comparison:
        yield comparison


def test_known_frames_get_the_same_replies_from_all(comparison: Comparison) -> None:
    """What somebody once answered wrongly, all exhibits answer rightly, in one go."""
    comparison.ask(KNOWN_FRAMES)


@given(frame=frames())
def test_one_message_gets_one_reply_from_all(comparison: Comparison, frame: Frame) -> None:
    """Whatever one message is, all exhibits send the same bytes, and the right ones."""
    comparison.ask([frame])


@given(batch=st.lists(frames(), min_size=2, max_size=5))
@example(batch=['{"message":1,"delay":0.002}', '{"message":2}'])
@example(batch=["", '{"message":1}', b"\xff", '{"message":2}'])
def test_pipelined_messages_get_their_replies_in_order(
    comparison: Comparison, batch: list[Frame]
) -> None:
    """Messages sent without waiting, good and broken mixed, are answered one by one in order."""
    comparison.ask(batch)


def test_a_thousand_broken_messages_then_a_good_one() -> None:
    """A connection that has sent a thousand broken messages still gets its echo."""
    with in_process("echo") as comparison:
        *errors, echo = comparison.ask([*([b'{"message":'] * 1000), '{"message":"still here"}'])

    assert len(set(errors)) == 1
    assert echo == b'{"message":"still here"}'
