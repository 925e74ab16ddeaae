"""Bounded threads for all connections: who waits for whom, and what is held."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from time import monotonic, sleep
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.testing import WebsocketCommunicator

from routing import isolation
from routing.isolation import ConnectionCalls, isolated

pytestmark = pytest.mark.asyncio

TIMEOUT = 30.0
THREADS = 4

released = threading.Event()
waiting: list[str] = []
"""What waits for the test's sign."""
language: ContextVar[str] = ContextVar("language", default="none")


def block(text: str) -> str:
    """Wait for the test's sign where the text asks for it."""
    if text == "block":
        waiting.append(text)
        assert released.wait(TIMEOUT)
    return text


class Sync(WebsocketConsumer):
    def receive(self, text_data: str) -> None:
        self.send(block(text_data))


class AsyncWithThread(AsyncWebsocketConsumer):
    async def receive(self, text_data: str) -> None:
        await self.send(await database_sync_to_async(block)(text_data))


class Async(AsyncWebsocketConsumer):
    async def receive(self, text_data: str) -> None:
        await self.send(text_data)


BLOCKING = [Sync, AsyncWithThread]
ALL = [*BLOCKING, Async]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    released.clear()
    waiting.clear()
    with ThreadPoolExecutor(THREADS) as threads:
        yield threads
        released.set()


@asynccontextmanager
async def connected(
    consumer: Any, threads: ThreadPoolExecutor
) -> AsyncIterator[WebsocketCommunicator]:
    """A connection to an isolated consumer."""
    communicator = WebsocketCommunicator(isolated(consumer.as_asgi(), threads), "/here/")
    assert (await communicator.connect(TIMEOUT))[0]
    yield communicator
    await communicator.disconnect(timeout=TIMEOUT)


async def echo(communicator: WebsocketCommunicator, text: str) -> str:
    """Send a text and return the reply."""
    await communicator.send_to(text)
    return str(await communicator.receive_from(TIMEOUT))


@pytest.mark.parametrize("neighbour", ALL)
@pytest.mark.parametrize("blocker", BLOCKING)
async def test_a_neighbour_is_answered_until_all_threads_are_blocked(
    blocker: Any, neighbour: Any, threads: ThreadPoolExecutor
) -> None:
    """One thread fewer than there are may block, and every other connection is answered."""
    async with AsyncExitStack() as stack:
        blocked = [
            await stack.enter_async_context(connected(blocker, threads)) for _ in range(THREADS - 1)
        ]
        for one in blocked:
            await one.send_to("block")
        async with connected(neighbour, threads) as other:
            assert await echo(other, "hi") == "hi"
            assert all(one.output_queue.empty() for one in blocked)
            released.set()
        assert [await one.receive_from(TIMEOUT) for one in blocked] == ["block"] * (THREADS - 1)


async def test_a_call_that_waits_long_for_a_thread_is_logged(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When every thread is blocked, the next call waits, which the log says with the path."""
    monkeypatch.setattr(isolation, "LONG_WAIT", 0.1)
    async with AsyncExitStack() as stack:
        *blocked, other = [
            await stack.enter_async_context(connected(Sync, threads)) for _ in range(THREADS + 1)
        ]
        for one in blocked:
            await one.send_to("block")
        async with asyncio.timeout(TIMEOUT):
            while len(waiting) < THREADS:
                await asyncio.sleep(0.01)
        await other.send_to("hi")
        assert await other.receive_nothing(0.3)
        released.set()
        assert await other.receive_from(TIMEOUT) == "hi"
    assert "/here/ waited" in caplog.text
    assert "for a thread" in caplog.text


async def test_the_calls_of_one_connection_run_one_at_a_time_and_in_order(
    threads: ThreadPoolExecutor,
) -> None:
    """Calls made together do not overlap and keep their order, as on Channels' own thread."""
    running: list[int] = []
    done: list[int] = []

    def call(number: int) -> None:
        running.append(number)
        assert len(running) == 1
        sleep(0.001)
        running.remove(number)
        done.append(number)

    class Gathering(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            await asyncio.gather(*(sync_to_async(call)(number) for number in range(50)))
            await self.send(text_data)

    async with connected(Gathering, threads) as communicator:
        assert await echo(communicator, "hi") == "hi"
    assert done == list(range(50))


async def test_a_call_that_is_cancelled_before_it_runs_holds_nothing_up(
    threads: ThreadPoolExecutor,
) -> None:
    """Cancelled calls, waiting for a thread or behind another call, never run and never block."""
    calls = ConnectionCalls(threads, "/here/")
    for _ in range(THREADS):
        threads.submit(block, "block")
    waits_for_a_thread = calls.submit(block, "first")
    waiting_behind = [calls.submit(block, str(number)) for number in range(2000)]
    last = calls.submit(block, "last")

    assert waits_for_a_thread.cancel()
    assert all(one.cancel() for one in waiting_behind[1:])  # the first has taken its place
    released.set()

    assert await asyncio.wrap_future(last) == "last"
    assert await asyncio.wrap_future(calls.submit(block, "next")) == "next"


class EmptyError(LookupError):
    """An exception that is false."""

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("error", [LookupError, EmptyError])
async def test_an_exception_reaches_its_caller_alone(
    threads: ThreadPoolExecutor, error: type[Exception]
) -> None:
    """A call that raises, first or behind another, leaves the calls after it untouched."""

    def fail() -> None:
        raise error

    calls = ConnectionCalls(threads, "/here/")
    async with asyncio.timeout(TIMEOUT):
        results = await asyncio.gather(
            *(asyncio.wrap_future(calls.submit(call)) for call in (fail, list, fail, list)),
            return_exceptions=True,
        )

    assert [type(result) for result in results] == [error, list, error, list]


async def test_a_system_without_threads_fails_one_call_only(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread can be started, the call says so, and later ones run again."""
    calls = ConnectionCalls(threads, "/here/")

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            calls.submit(block, "first")

    assert await asyncio.wrap_future(calls.submit(block, "hi")) == "hi"


async def test_a_call_that_is_refused_never_runs(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that found no thread, and so has failed, does not run when a thread is free again."""
    calls, other = ConnectionCalls(threads, "/here/"), ConnectionCalls(threads, "/there/")
    blocked = asyncio.wrap_future(other.submit(block, "block"))
    ran: list[str] = []

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            calls.submit(ran.append, "refused")
    released.set()
    await blocked
    await asyncio.wrap_future(calls.submit(ran.append, "accepted"))

    assert ran == ["accepted"]


async def test_context_variables_follow_the_connection(threads: ThreadPoolExecutor) -> None:
    """What a call sets in the context is there in the next call, on whatever thread it runs."""

    class Speaking(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            await sync_to_async(language.set)(text_data)
            await self.send(await sync_to_async(language.get)())

    async with connected(Speaking, threads) as communicator:
        for text in ("fr", "de"):
            assert await echo(communicator, text) == text


async def test_idle_connections_hold_no_thread(threads: ThreadPoolExecutor) -> None:
    """Two hundred sockets of a sync consumer live on the threads that there are."""
    before = threading.active_count()
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connected(Sync, threads)) for _ in range(200)]
        assert threading.active_count() <= before + THREADS
        assert await echo(sockets[-1], "hi") == "hi"
    assert not [one for one in SyncToAsync.context_to_thread_executor.values() if one is threads]


async def test_many_calls_of_many_connections_all_run(threads: ThreadPoolExecutor) -> None:
    """Under load from many connections no call is lost, doubled or out of order."""
    deadline = monotonic() + TIMEOUT
    done: dict[int, list[int]] = {}

    async def one_connection(number: int) -> None:
        calls = ConnectionCalls(threads, "/here/")
        made = done.setdefault(number, [])
        for first in range(0, 200, 4):
            futures = [calls.submit(made.append, first + offset) for offset in range(4)]
            await asyncio.gather(*map(asyncio.wrap_future, futures))
        assert monotonic() < deadline

    await asyncio.gather(*map(one_connection, range(50)))
    assert all(made == list(range(200)) for made in done.values())
