"""The two connections of a Pub/Sub channel layer, each owned by one task.

Only that task connects, reads and writes. All others put what they want into a queue and wait for a
future. So a connection that breaks is noticed, and made again, in one place.
"""

import asyncio
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from sandbox.layers.drops import GapCounter

ANSWER_SECONDS = 5.0
"""How long Redis may take to answer."""
PING_SECONDS = 5.0
"""After how long without a change of subscriptions Redis is asked whether it is there. After twice
as long without a word from it the connection is given up."""
RETRY_SECONDS = (0.01, 0.25)
"""How long to wait before the connection is made again: at first, and at most. Messages that others
publish in that time are lost."""
BATCH = 100
"""How many messages to send before their answers are read."""

T = TypeVar("T")
logger = logging.getLogger("channels.layers")


def why(error: Exception) -> str:
    """Say in a few words what went wrong with a connection, and log what should not go wrong."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if not isinstance(error, RedisError | OSError):
        logger.error("Unexpected on a connection to Redis.", exc_info=error)
    return str(error).rstrip(".") or type(error).__name__


def take(queue: "asyncio.Queue[T]", most: int = sys.maxsize) -> list[T]:
    """Take what is in the queue, without waiting."""
    return [queue.get_nowait() for _ in range(min(queue.qsize(), most))]


class OwnedConnection(ABC):
    """It begins when it is first needed, and ends with ``close`` or with its event loop's tasks."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._connection = pool.make_connection()  # type: ignore[no-untyped-call] # it has no types
        self._task: asyncio.Task[None] | None = None

    def _start(self) -> None:
        if self._task is None or self._task.done():
            # It outlives the consumer that needs it first, so it does not run in its context.
            self._task = asyncio.create_task(self._run(), context=Context())

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    @abstractmethod
    async def _run(self) -> None: ...


@dataclass(eq=False, slots=True)
class Publication:
    """A message on its way to Redis. ``failure`` is empty when Redis has it."""

    channel: str
    data: bytes
    failure: asyncio.Future[str] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def answer(self, failure: str) -> None:
        if not self.failure.done():  # it is, if its sender has been cancelled
            self.failure.set_result(failure)


class Publisher(OwnedConnection):
    """Sends what waits in batches.

    Nothing is sent a second time: when a connection breaks, Redis may have had the message.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        super().__init__(pool)
        self._waiting: asyncio.Queue[Publication] = asyncio.Queue()

    async def publish(self, channel: str, data: bytes) -> None:
        """Return when Redis has the message. Raises redis.exceptions.ConnectionError."""
        self._start()
        publication = Publication(channel, data)
        self._waiting.put_nowait(publication)
        if failure := await publication.failure:
            raise RedisConnectionError(failure)

    async def _run(self) -> None:
        batch: list[Publication] = []
        try:
            while True:
                batch = [await self._waiting.get(), *take(self._waiting, BATCH)]
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await self._send(batch)
                except Exception as error:  # noqa: BLE001 # whatever it is, the next batch goes on
                    await self._connection.disconnect(nowait=True)
                    for publication in batch:
                        publication.answer(why(error))
        finally:
            await self._connection.disconnect(nowait=True)
            for publication in [*batch, *take(self._waiting)]:
                publication.answer("the channel layer is closed")

    async def _send(self, batch: list[Publication]) -> None:
        await self._pool.ensure_connection(self._connection)  # notices if Redis has closed it
        batch = [publication for publication in batch if not publication.failure.done()]
        commands = [("PUBLISH", publication.channel, publication.data) for publication in batch]
        await self._connection.send_packed_command(
            self._connection.pack_commands(commands), check_health=False
        )
        for publication in batch:
            failure = ""
            try:
                await self._connection.read_response(disable_decoding=True)
            except ResponseError as error:  # of this message alone
                failure = why(error)
            publication.answer(failure)


class Subscriber(OwnedConnection):
    """Keeps the subscriptions that are wanted, over any number of connections.

    ``deliver`` gets the channel and the data of each message.
    """

    def __init__(
        self, pool: ConnectionPool, deliver: Callable[[str, bytes], None], gaps: GapCounter
    ) -> None:
        super().__init__(pool)
        self._deliver = deliver
        self._gaps = gaps
        self._wanted: set[str] = set()
        self._changed: asyncio.Queue[str] = asyncio.Queue()
        """Names that are wanted, or no longer wanted, since the writer has looked."""
        self._asked: set[str] = set()
        """What was asked of Redis over this connection."""
        self._made: set[str] = set()
        """What Redis has confirmed of it: only of these can messages arrive."""
        self._waiting: dict[str, asyncio.Future[str]] = {}
        """Futures of the callers of ``subscribe``: why it failed, or empty."""
        self._lost: set[str] = set()
        """What was made over an earlier connection, and is not yet made again."""
        self._lost_at = 0.0

    async def subscribe(self, name: str) -> None:
        """Return when Redis has made the subscription, which is wanted even after an error.

        Raises redis.exceptions.ConnectionError or TimeoutError.
        """
        self._start()
        self._wanted.add(name)
        if name in self._made:
            return
        self._changed.put_nowait(name)
        future = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(ANSWER_SECONDS):
            # Others may wait for the same one: it is not cancelled with the first of them.
            if failure := await asyncio.shield(self._waiting.setdefault(name, future)):
                raise RedisConnectionError(failure)

    def unsubscribe(self, name: str) -> None:
        """Have the subscription removed, at once or when Redis is back."""
        self._wanted.discard(name)
        self._changed.put_nowait(name)
        self._answer(name, "it is no longer wanted")
        self._recover(name)

    def _answer(self, name: str, failure: str) -> None:
        if future := self._waiting.pop(name, None):
            future.set_result(failure)

    def _recover(self, name: str) -> None:
        if name in self._lost:
            self._lost.discard(name)
            if not self._lost:
                self._gaps.end(monotonic() - self._lost_at)

    async def _run(self) -> None:
        retry, longest = RETRY_SECONDS
        while True:
            while not self._wanted:
                await self._changed.get()
            take(self._changed)  # a new connection is asked for all that is wanted
            connected = False
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._connection.connect()
                connected = True
                await self._read_and_write()
            except Exception as error:  # noqa: BLE001 # whatever it is, it is tried again
                self._note(error, connected)
            finally:
                await self._connection.disconnect(nowait=True)
                worked = bool(self._made)
                self._asked.clear()
                self._made.clear()
            retry = RETRY_SECONDS[0] if worked else min(2 * retry, longest)
            with suppress(TimeoutError):
                async with asyncio.timeout(retry):
                    await self._changed.get()  # a caller waits: try at once

    def _note(self, error: Exception, connected: bool) -> None:
        """Note that the connection has failed: a gap, and perhaps a reason for those who wait."""
        failure = why(error)
        if lost := self._made & self._wanted:
            if not self._lost:
                self._lost_at = monotonic()
                self._gaps.begin(failure)
            self._lost |= lost
        if not connected or isinstance(error, ResponseError):  # else the next one may be better
            for name in list(self._waiting):
                self._answer(name, failure)

    async def _read_and_write(self) -> None:
        """Do both until one of them fails: no task group, which could hide a cancellation."""
        both = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        try:
            failed, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        failed.pop().result()

    async def _write(self) -> None:
        names = set(self._wanted)
        while True:
            new = (names & self._wanted) - self._asked
            # What is not yet made stays, so that the next answer is to the last request.
            old = (names - self._wanted) & self._made
            self._asked |= new
            self._asked -= old
            self._made -= old
            if new:
                await self._connection.send_command("SUBSCRIBE", *new, check_health=False)
            if old:
                await self._connection.send_command("UNSUBSCRIBE", *old, check_health=False)
            if not new and not old:  # an answer shows that Redis is there
                await self._connection.send_command("PING", check_health=False)
            names = set()
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    names = {await self._changed.get(), *take(self._changed)}

    async def _read(self) -> None:
        while True:
            response = await self._connection.read_response(
                disable_decoding=True,
                timeout=2 * PING_SECONDS,
                disconnect_on_error=False,
                push_request=True,
            )
            match response:
                case [b"message", name, data]:
                    self._deliver(name.decode(), data)
                    await asyncio.sleep(0)  # or a burst would not let the consumers run
                case [b"subscribe", name, _]:
                    self._confirm(name.decode())
                case None:
                    raise TimeoutError

    def _confirm(self, name: str) -> None:
        self._made.add(name)
        self._answer(name, "")
        self._recover(name)
        if name not in self._wanted:
            self._changed.put_nowait(name)
