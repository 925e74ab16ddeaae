"""Load: requests on open connections, and how long each reply took."""

import asyncio
import gc
import json
from array import array
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import inf
from time import perf_counter
from typing import Any

from sandbox.bench.client import Connection

REPLY_SECONDS = 30.0
"""How long a reply may take before it counts as missing."""
TIMER_SECONDS = 0.002
"""How much too late a timer of an event loop may be: so long before it is due, do not sleep."""


class WrongReplyError(Exception):
    """An exhibit does not echo; the message says what came instead."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen while the load lasted, all in seconds."""

    seconds: float
    due: "array[float]" = field(repr=False)
    """For each good reply when its request was due, from the start,"""
    latencies: "array[float]" = field(repr=False)
    """and how much later it came. An array, for a run has tens of millions."""
    errors: int
    """Wrong or missing replies and lost connections: none of them is among the replies."""
    processor_seconds: float = 0.0
    """Of the server."""

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds


def join(samples: Sequence[Sample]) -> Sample:
    """Take several samples for one, as if they had followed each other without a break."""
    due, latencies, began = array("d"), array("d"), 0.0
    for sample in samples:
        due.extend(began + one for one in sample.due)
        latencies.extend(sample.latencies)
        began += sample.seconds
    errors = sum(sample.errors for sample in samples)
    return Sample(
        began, due, latencies, errors, sum(sample.processor_seconds for sample in samples)
    )


def uncorrected(sample: Sample) -> "array[float]":
    """Count from when a client would have sent that waits for one reply before the next request.

    Given the sample of one connection, in the order of its replies. Most load generators count like
    this, and so leave out how long requests had to wait to be sent: coordinated omission.
    """
    found, free = array("d"), 0.0
    for due, latency in zip(sample.due, sample.latencies, strict=True):
        replied = due + latency
        found.append(replied - max(due, free))
        free = replied
    return found


def request(size: int, **members: float) -> bytes:
    """Write a request of ``size`` bytes, or the shortest that holds a message."""
    without = json.dumps({"message": "", **members}, separators=(",", ":"))
    message = "x" * max(size - len(without), 1)
    return json.dumps({"message": message, **members}, separators=(",", ":")).encode()


async def first_reply(
    connection: Connection, payload: bytes, answers: object | None = None
) -> bytes:
    """Get one echo. Each exhibit writes JSON its way; this is what its later replies must be.

    ``answers`` is the message to expect, unless it is that of the payload.
    """
    reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    connection.on_reply = reply.set_result
    connection.on_lost = partial(_fail, reply)
    connection.send(payload)
    try:
        async with asyncio.timeout(REPLY_SECONDS):
            echo = await reply
        if json.loads(echo)["message"] != (answers or json.loads(payload)["message"]):
            raise WrongReplyError(f"The reply is {echo[:80]!r}.")
    except TimeoutError:
        raise WrongReplyError(f"No reply came within {REPLY_SECONDS:g} s.") from None
    except (ConnectionError, ValueError, KeyError, TypeError) as error:
        raise WrongReplyError(f"There is no echo: {error!r}.") from error
    return echo


def _fail(reply: "asyncio.Future[bytes]") -> None:
    if not reply.done():
        reply.set_exception(ConnectionError("the connection was closed"))


async def closed_loop(
    connections: Sequence[Connection],
    payload: bytes,
    echo: bytes,
    seconds: float,
    *,
    meter: Callable[[], float] = float,
) -> Sample:
    """Keep one request in flight on each connection, and count the replies after a warm-up.

    Both last until each connection has had a reply or is lost: otherwise the replies that come
    soon would hide how long the others take, and those that come all at once might be missed.
    """
    streams = [_Stream(connection, payload, echo) for connection in connections]
    with _no_garbage_collection():
        for stream in streams:
            stream.asks_again = True
            stream.ask(perf_counter())
        await _a_reply_each(streams, seconds / 3)
        began, before = perf_counter(), meter()
        await _a_reply_each(streams, seconds)
        ended, after = perf_counter(), meter()
        for stream in streams:
            stream.asks_again = False
        await _drain(streams)
    return _sample(streams, began, ended, until=ended, processor_seconds=after - before)


async def by_turns(loads: Sequence[Callable[[], Awaitable[Sample]]], slices: int) -> list[Sample]:
    """Give each load its slices by turns: what disturbs the machine hits all alike.

    The first in one slice is the last in the next.
    """
    found: list[list[Sample]] = [[] for _ in loads]
    sides = list(zip(loads, found, strict=True))
    for number in range(slices):
        for sample_of, samples in sides if number % 2 else reversed(sides):
            samples.append(await sample_of())
    return [join(samples) for samples in found]


async def open_loop(
    connections: Sequence[Connection],
    payload: bytes,
    echoes: Sequence[bytes],
    seconds: float,
    rate: float,
) -> list[Sample]:
    """Send at a fixed rate whatever comes back, by turns; give one sample for each connection.

    A latency is counted from when the request was due, so that a server that stalls is charged
    with the requests that had to wait (otherwise this is called coordinated omission).
    """
    streams = [
        _Stream(connection, payload, echo)
        for connection, echo in zip(connections, echoes, strict=True)
    ]
    total = round(rate * seconds)
    with _no_garbage_collection():
        began = perf_counter()
        await _send_when_due(streams, began, rate, lambda sent: sent < total)
        await _drain(streams)
    return [_sample([stream], began, began + seconds, until=inf) for stream in streams]


async def open_loop_during(
    work: "asyncio.Future[Any]", connection: Connection, payload: bytes, echo: bytes, rate: float
) -> Sample:
    """Send at a fixed rate, as open_loop does, until something else is done."""
    stream = _Stream(connection, payload, echo)
    with _no_garbage_collection():
        began = perf_counter()
        await _send_when_due([stream], began, rate, lambda _: not work.done())
        ended = perf_counter()
        await _drain([stream])
    return _sample([stream], began, ended, until=inf)


async def _send_when_due(
    streams: Sequence["_Stream"], began: float, rate: float, goes_on: Callable[[int], bool]
) -> None:
    """Send by turns for as long as it goes on, given how many have been sent."""
    sent = 0
    while goes_on(sent):
        early = began + sent / rate - perf_counter()
        await asyncio.sleep(max(early - TIMER_SECONDS, 0))
        while goes_on(sent) and (due := began + sent / rate) <= perf_counter():
            streams[sent % len(streams)].ask(due)
            sent += 1


class _Stream:
    """The requests on one connection, and the replies to them."""

    def __init__(self, connection: Connection, payload: bytes, echo: bytes) -> None:
        self.connection, self.payload, self.echo = connection, payload, echo
        self.due, self.latencies = array("d"), array("d")
        self.waiting: deque[float] = deque()
        """When each request under way was due, the oldest first."""
        self.errors = 0
        self.asks_again = False
        self.is_lost = False
        connection.on_reply, connection.on_lost = self.receive, self.lose

    @property
    def missing(self) -> int:
        return len(self.waiting)

    @property
    def answered(self) -> int:
        return len(self.latencies) + self.errors

    def ask(self, due: float) -> None:
        self.waiting.append(due)
        if not self.is_lost:
            self.connection.send(self.payload)

    def receive(self, reply: bytes) -> None:
        now = perf_counter()
        due = self.waiting.popleft()
        if reply == self.echo:
            self.due.append(due)
            self.latencies.append(now - due)
        else:
            self.errors += 1
        if self.asks_again:
            self.ask(now)

    def lose(self) -> None:
        self.is_lost = True


async def fan_out(connections: Sequence[Connection], payload: bytes, seconds: float) -> Sample:
    """Have one connection send as soon as all have received; a reply is one delivery to one."""
    room = _Room(connections, payload)
    with _no_garbage_collection():
        room.send()
        await asyncio.sleep(seconds / 3)
        began = perf_counter()
        await asyncio.sleep(seconds)
        ended = perf_counter()
        room.is_over = True
        await _until(lambda: not room.missing)
    return _sample([room], began, ended, until=ended)


class _Room:
    """Connections that all receive what the first of them sends."""

    def __init__(self, connections: Sequence[Connection], payload: bytes) -> None:
        self.connections, self.payload = connections, payload
        self.message = json.loads(payload)["message"]
        self.due, self.latencies = array("d"), array("d")
        self.missing = self.errors = 0
        self.is_over = False
        for connection in connections:
            connection.on_reply, connection.on_lost = self.receive, self.lose

    def send(self) -> None:
        self.missing = len(self.connections)
        self.sent = perf_counter()
        self.connections[0].send(self.payload)

    def receive(self, reply: bytes) -> None:
        if json.loads(reply).get("message") == self.message:
            self.due.append(self.sent)
            self.latencies.append(perf_counter() - self.sent)
        else:
            self.errors += 1
        self.missing -= 1
        if not self.missing and not self.is_over:
            self.send()

    def lose(self) -> None:
        self.errors += 1


async def _a_reply_each(streams: Sequence[_Stream], seconds: float) -> None:
    """Wait so many seconds, and longer until each connection has had a reply or is lost."""
    before = [stream.answered for stream in streams]
    await asyncio.sleep(seconds)
    pairs = list(zip(streams, before, strict=True))
    await _until(lambda: all(s.answered > count or s.is_lost for s, count in pairs))


async def _drain(streams: Sequence[_Stream]) -> None:
    await _until(lambda: not any(s.waiting and not s.is_lost for s in streams))


async def _until(is_so: Callable[[], bool]) -> None:
    """Wait for something, as long as a reply may take."""
    give_up = perf_counter() + REPLY_SECONDS
    while perf_counter() < give_up and not is_so():  # noqa: ASYNC110 # an event to set would cost each reply
        await asyncio.sleep(0.001)


def _sample(
    sources: Sequence[_Stream | _Room],
    began: float,
    ended: float,
    *,
    until: float,
    processor_seconds: float = 0.0,
) -> Sample:
    """Gather the replies that came from ``began`` on and before ``until``."""
    due, latencies = array("d"), array("d")
    for one in sources:
        for at, latency in zip(one.due, one.latencies, strict=True):
            if began <= at + latency < until:
                due.append(at - began)
                latencies.append(latency)
    errors = sum(one.errors + one.missing for one in sources)
    return Sample(ended - began, due, latencies, errors, processor_seconds)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep the client's own pauses out of the latencies, also of a load within a load."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
