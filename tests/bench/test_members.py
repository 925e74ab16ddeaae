"""Members who come back and a publisher who tries again: what they count, and what they do not."""

import asyncio
from array import array
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from itertools import count as endless
from itertools import repeat
from time import perf_counter

import pytest

from sandbox.bench.members import Count, Member, Publisher, count, taking_turns


@pytest.mark.parametrize(
    ("arrived", "missing", "doubled", "out_of_order"),
    [
        ([0, 2, 3, 5], set(), 0, 0),
        ([0, 3], {2, 5}, 0, 0),
        ([], {0, 2, 3, 5}, 0, 0),
        ([0, 2, 2, 3, 0, 5], set(), 2, 0),
        ([0, 3, 2, 5], set(), 0, 1),
        ([5, 3, 2, 0], set(), 0, 3),
        ([0, 2, 3, 5, 2], set(), 1, 0),
        # Attempts 1 and 4 were not acknowledged: they may come or not, and may be overtaken.
        ([0, 1, 2, 3, 4, 5], set(), 0, 0),
        ([0, 4, 2, 3, 5, 1], set(), 0, 0),
        ([0, 1, 1, 2, 3, 5], set(), 1, 0),
    ],
)
def test_what_arrived_is_compared_with_what_was_acknowledged(
    arrived: Sequence[int], missing: set[int], doubled: int, out_of_order: int
) -> None:
    """An acknowledged message is missing, doubled or overtaken; an attempt only doubled."""
    assert count([0, 2, 3, 5], arrived) == Count(frozenset(missing), doubled, out_of_order)


def member(*, began: Sequence[float] = (), remembers: bool = True) -> Member:
    one = Member(repeat(""), began, remembers)
    one.joined.set()
    return one


def test_a_member_is_back_with_a_message_published_since() -> None:
    """What was published before a loss, and comes after it, does not show that one is back."""
    began = array("d", [perf_counter()])
    one = member(began=began)
    one.be_away()
    since = one.away_since
    one.receive(b'{"id": 1, "message": 0}')
    assert one.away_since == since
    one.be_away()
    assert one.away_since == since, "a second loss does not begin a new time away"
    began.append(perf_counter())
    one.receive(b'{"id": 2, "message": 1}')
    assert one.away_since is None
    assert len(one.back) == 1
    assert 0 < one.back[0] < 10


def test_a_member_that_never_joined_is_not_away() -> None:
    """Time away begins with a loss, so there must have been a connection."""
    one = Member(repeat(""), [], remembers=True)
    one.be_away()
    assert one.away_since is None


def test_replies_that_are_no_messages() -> None:
    """That a server is unavailable is no error, a notice of a loss or nonsense is one."""
    one = member()
    for reply in (b'{"error": {"code": "unavailable", "detail": ""}}', b'{"lost": {"before": 3}}'):
        one.receive(reply)
    one.receive(b"nonsense")
    assert (one.errors, list(one.arrived)) == (2, [])


@pytest.mark.asyncio
async def test_a_member_waits_longer_after_each_failure() -> None:
    """A server that lets one in just to say that it is unavailable is no success."""
    accepted: list[float] = []

    async def refuse(_reader: StreamReader, writer: StreamWriter) -> None:
        accepted.append(perf_counter())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        one = Member(repeat(f"ws://127.0.0.1:{port}/"), [0.0], remembers=True)
        staying = asyncio.create_task(one.stay())
        while len(accepted) < 3:
            await asyncio.sleep(0.01)
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
    assert one.longest_wait >= 1.0
    one.receive(b'{"error": {"code": "unavailable"}}')
    assert one.longest_wait >= 1.0
    one.receive(b'{"id": 1, "message": 0}')
    assert one.longest_wait == 0.5


@pytest.mark.asyncio
async def test_an_attempt_without_an_answer_is_made_again_under_another_number() -> None:
    """What a server has taken and not acknowledged is not published, and its number not reused."""
    taken: list[bytes] = []
    connections = endless()

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        connection = next(connections)
        try:
            while (line := await reader.readline()) and connection != 1:  # the second just closes
                head = line + await reader.readuntil(b"\r\n\r\n")
                (length,) = (
                    int(one.split(b":")[1])
                    for one in head.split(b"\r\n")
                    if one.lower().startswith(b"content-length")
                )
                taken.append(body := await reader.readexactly(length))
                if len(taken) == 2:
                    break
                writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n" % length + body)
        finally:  # the test may be over before the client's end is read
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        publisher = Publisher(taking_turns([f"http://127.0.0.1:{port}/"]), 3, 0.001)
        await publisher.publish(3)
        publisher.close()
    assert taken[:2] == [b'{"message": 0}', b'{"message": 1}']
    assert list(publisher.acknowledged) == [0, 3, 4]
    assert publisher.unacknowledged == 2
    assert taken[2:] == [b'{"message": 3}', b'{"message": 4}']
