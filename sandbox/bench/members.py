"""Members of a room that come back when their connection is lost, and who publishes to them."""

import asyncio
import json
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import uniform
from time import perf_counter

import msgspec

from sandbox.bench.client import (
    CONNECT_ERRORS,
    Connection,
    EventStreamConnection,
    WebSocketConnection,
    connect,
    follow,
)
from sandbox.bench.load import WrongReplyError, first_reply

RETRY_SECONDS = 0.5
"""A member waits for a random time up to this before it reconnects, and then up to twice as long"""
LONGEST_RETRY_SECONDS = 4.0
"""after each failure, but never longer than up to this."""
ANSWER_SECONDS = 10.0
"""How long the publisher waits for an answer. It is longer than any timeout of a server."""
PAUSE_SECONDS = 0.1
"""How long it waits before the next attempt."""
POLL_SECONDS = 0.01
GIVE_UP_SECONDS = 60.0
"""After so long without any acknowledgement it gives up."""


class ErrorReply(msgspec.Struct):
    code: str = ""


class Received(msgspec.Struct):
    """A reply: a message of the room, or else an error or a notice, which have no message."""

    message: int | None = None
    id: int = 0
    error: ErrorReply = msgspec.field(default_factory=ErrorReply)


_decode = msgspec.json.Decoder(Received).decode


@dataclass(eq=False)
class Publisher:
    """Publishes by POST, one message after another; each attempt has a number of its own.

    An attempt that is not acknowledged is made again under the next number, for it may have been
    published all the same.
    """

    urls: Iterator[str]
    """Where to go next when an attempt fails."""
    messages: int
    """How many there will be; more, if a fault lasts longer."""
    seconds: float
    """Between two messages, at least."""
    began: "array[float]" = field(default_factory=lambda: array("d"))
    """When each attempt was begun."""
    acknowledged: "array[int]" = field(default_factory=lambda: array("L"))
    """The attempts that the server acknowledged, in order: what counts as published."""
    _due: float = 0.0
    _connection: Connection | None = None

    @property
    def unacknowledged(self) -> int:
        return len(self.began) - len(self.acknowledged)

    async def reached(self, share: float) -> None:
        """Wait until so many of the messages are published."""
        while len(self.acknowledged) < share * self.messages:  # noqa: ASYNC110 # as in load.py
            await asyncio.sleep(POLL_SECONDS)

    async def publish(self, count: int) -> None:
        """Publish so many messages. Raises TimeoutError when no server acknowledges any more."""
        for _ in range(count):
            await asyncio.sleep(self._due - perf_counter())
            # What could not be published in time is not made up for by a burst.
            self._due = max(self._due, perf_counter()) + self.seconds
            async with asyncio.timeout(GIVE_UP_SECONDS):
                while not await self._attempt():  # noqa: ASYNC110 # it is no condition to wait for
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _attempt(self) -> bool:
        if self._connection is None:
            connections, _ = await connect(next(self.urls), 1)
            if not connections:
                return False
            (self._connection,) = connections
        number = len(self.began)
        self.began.append(perf_counter())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await first_reply(self._connection, json.dumps({"message": number}).encode())
        except (WrongReplyError, TimeoutError):
            self.close()
            return False
        self._connection.on_lost = self.close  # while there is nothing to publish
        self.acknowledged.append(number)
        return True

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None


@dataclass(eq=False)
class Member:
    """Stays in the room until it is cancelled, and notes which attempts of a publisher arrive."""

    urls: Iterator[str]
    """Where to go next, for each connection."""
    began: Sequence[float]
    """When each attempt was begun."""
    remembers: bool
    """Whether the room can be asked for what was missed."""
    arrived: "array[int]" = field(default_factory=lambda: array("L"))
    """Attempts, in the order in which they came."""
    newest: int = -1
    """The highest of them."""
    away_since: float | None = None
    back: list[float] = field(default_factory=list)
    """Seconds that it was away each time, until it got a message published in the meantime."""
    errors: int = 0
    """Replies that are neither a message nor the error that the server cannot do it now."""
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    _last: int = 0
    _failures: int = 0
    _connection: WebSocketConnection | EventStreamConnection | None = None

    async def stay(self) -> None:
        """Connect, and connect again each time that the connection is lost."""
        try:
            while True:
                lost = asyncio.Event()
                last = self._last if self.remembers else None
                with suppress(*CONNECT_ERRORS):
                    self._connection = await follow(next(self.urls), last, self.receive, lost.set)
                    self.joined.set()
                    await lost.wait()
                self._connection = None
                self.be_away()
                await asyncio.sleep(uniform(0, self.longest_wait))  # noqa: S311 # no secret
                self._failures += 1
        finally:
            if self._connection:
                self._connection.close()

    @property
    def is_away(self) -> bool:
        return self.away_since is not None

    @property
    def longest_wait(self) -> float:
        return min(RETRY_SECONDS * 2.0**self._failures, LONGEST_RETRY_SECONDS)

    def reset(self) -> None:
        """Lose the connection, if there is one."""
        if self._connection:
            self._connection.reset()

    def be_away(self) -> None:
        """Note that from now on messages may not arrive."""
        if self.joined.is_set() and self.away_since is None:
            self.away_since = perf_counter()

    def receive(self, reply: bytes) -> None:
        try:
            received = _decode(reply)
        except msgspec.DecodeError:
            received = Received()
        if received.message is None:
            self.errors += received.error.code != "unavailable"
            return
        self._failures = 0  # only now: a server may let one in just to say that it is unavailable
        self._last = received.id
        self.arrived.append(received.message)
        self.newest = max(self.newest, received.message)
        if self.away_since is not None and self.began[received.message] >= self.away_since:
            self.back.append(perf_counter() - self.away_since)
            self.away_since = None


@dataclass(frozen=True, slots=True)
class Count:
    """What one member received of what was published."""

    missing: frozenset[int]
    """The attempts that were acknowledged and did not arrive."""
    doubled: int
    """Arrivals of what had arrived before."""
    out_of_order: int
    """First arrivals after one that was published later."""


def count(acknowledged: Sequence[int], arrived: Sequence[int]) -> Count:
    """Compare what was published, in order, with what a member received.

    An attempt without acknowledgement may have been published or not, and it may even have been
    stored after the next one: it is no loss and in no order. Nothing may arrive twice.
    """
    published = frozenset(acknowledged)
    seen: set[int] = set()
    doubled = out_of_order = newest = 0
    for number in arrived:
        if number in seen:
            doubled += 1
            continue
        seen.add(number)
        if number in published:
            out_of_order += number < newest
            newest = max(newest, number)
    return Count(published - seen, doubled, out_of_order)


def taking_turns(urls: Sequence[str], start: int = 0) -> Iterator[str]:
    """Give one URL after the other, for ever."""
    while True:
        yield urls[start % len(urls)]
        start += 1
