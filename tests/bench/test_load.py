"""The load, on connections that misbehave in a given way: what counts, and from when."""

import asyncio
from collections.abc import Callable

import pytest

from sandbox.bench.load import (
    WrongReplyError,
    closed_loop,
    first_reply,
    open_loop,
    open_loop_during,
    request,
)
from sandbox.bench.spread import percentiles

pytestmark = pytest.mark.asyncio

PING = b'{"message": "ping"}'
STALL = 0.2


class Connection:
    """Leads nowhere: ``answer`` says what comes back for the nth request, and how late."""

    def __init__(self, answer: Callable[[int], tuple[bytes, float] | None]) -> None:
        self.answer = answer
        self.asked = 0
        self.on_reply: Callable[[bytes], None]
        self.on_lost: Callable[[], None]

    def send(self, _payload: bytes) -> None:
        loop = asyncio.get_running_loop()
        answer = self.answer(self.asked)
        self.asked += 1
        if answer is None:
            loop.call_soon(self.on_lost)
        else:
            loop.call_later(answer[1], lambda: self.on_reply(answer[0]))

    def close(self) -> None:
        """Nothing to close."""


async def test_wrong_replies_are_errors_not_throughput() -> None:
    """A reply that is not the echo counts as an error and never as a round trip."""
    connection = Connection(lambda number: (b"oops" if number % 2 else PING, 0.001))

    sample = await closed_loop([connection], PING, PING, 0.1)

    assert sample.errors >= connection.asked // 2 - 1
    assert 0 < len(sample.latencies) <= connection.asked // 2 + 1


async def test_lost_connections_are_errors() -> None:
    """Requests on a connection that is lost are missing, and nothing waits for them."""
    connection = Connection(lambda number: (PING, 0.001) if number < 3 else None)

    (sample,) = await open_loop([connection], PING, [PING], 0.1, rate=100)

    assert (len(sample.latencies), sample.errors) == (3, 7)


async def test_a_stall_is_charged_to_all_requests_that_were_due_during_it() -> None:
    """Latency counts from when a request was due, also if the server kept others from it."""
    released = asyncio.get_running_loop().time() + STALL
    connection = Connection(lambda _: (PING, max(0, released - asyncio.get_running_loop().time())))

    (sample,) = await open_loop([connection], PING, [PING], 0.1, rate=100)

    assert len(sample.latencies) == 10
    assert sample.latencies[0] >= STALL * 0.9
    for due, latency in zip(sample.due, sample.latencies, strict=True):
        assert due + latency >= STALL * 0.9


async def test_a_load_is_counted_in_whole_turns_of_all_connections() -> None:
    """Where connections are answered one after another, no early reply hides how long all take."""
    each, count = 0.02, 10
    asked: asyncio.Queue[Connection] = asyncio.Queue()

    class Queued(Connection):
        def send(self, _payload: bytes) -> None:
            asked.put_nowait(self)

    async def answer_in_turn() -> None:
        while True:
            connection = await asked.get()
            await asyncio.sleep(each)
            connection.on_reply(PING)

    connections = [Queued(lambda _: None) for _ in range(count)]
    answering = asyncio.create_task(answer_in_turn())

    sample = await closed_loop(connections, PING, PING, 0.05)

    answering.cancel()
    assert min(sample.latencies) > each * count * 0.8
    assert len(sample.latencies) >= count - 1
    assert sample.seconds > each * count * 0.8


async def test_a_steady_rate_lasts_as_long_as_something_else() -> None:
    """Requests are due at the rate until the work is done, and a stall is charged to them."""
    work = asyncio.create_task(asyncio.sleep(0.3))
    released = asyncio.get_running_loop().time() + STALL
    connection = Connection(lambda _: (PING, max(0, released - asyncio.get_running_loop().time())))

    sample = await open_loop_during(work, connection, PING, PING, rate=100)

    assert work.done()
    assert len(sample.latencies) >= 30
    assert sample.latencies[0] >= STALL * 0.9
    assert sum(latency > STALL / 2 for latency in sample.latencies) >= 9


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ((b'{"message": "pong"}', 0.0), "The reply is"),
        ((b"not json", 0.0), "There is no echo"),
        (None, "the connection was closed"),
    ],
)
async def test_an_exhibit_that_does_not_echo_is_not_measured(
    answer: tuple[bytes, float] | None, complaint: str
) -> None:
    """The first reply must hold the message that was sent."""
    with pytest.raises(WrongReplyError, match=complaint):
        await first_reply(Connection(lambda _: answer), PING)


@pytest.mark.parametrize("size", [32, 4096, 60 * 1024])
async def test_requests_have_the_size_asked_for(size: int) -> None:
    """A request is as many bytes as it says."""
    assert len(request(size)) == size


async def test_percentiles_are_replies_that_happened() -> None:
    """A percentile is the latency that as many replies did not exceed, in milliseconds."""
    found = percentiles([number / 1000 for number in range(1, 101)])

    assert (found["p1"], found["p50"], found["p99"], found["max"]) == (1, 50, 99, 100)
    assert percentiles([]) == {}
