"""The mixins of the ``tuned`` edition: what they take away, and what stays as Channels has it."""

import asyncio
import gc
import logging
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.consumer import SyncConsumer
from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import InMemoryChannelLayer, get_channel_layer
from channels.testing import HttpCommunicator, WebsocketCommunicator
from django.test import override_settings

from consumers.tuned.handler_threads import HandlerThreads
from consumers.tuned.mixins import (
    DirectHttpDispatchMixin,
    DirectWebsocketDispatchMixin,
    ThreadPoolDispatchMixin,
)

CONSUMERS = Path(__file__).parents[2] / "consumers"
TIMEOUT = 30.0
IN_MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# An async consumer that ends closes old database connections: those of tests before it.
pytestmark = [pytest.mark.asyncio, pytest.mark.django_db]


class Blocking:
    """A handler that waits for its cue: "block" blocks, anything else is echoed."""

    entered: threading.Event
    released: threading.Event

    def receive(self, text_data: str) -> None:
        if text_data == "block":
            self.entered.set()
            assert self.released.wait(TIMEOUT)
        self.send(text_data)  # type: ignore[attr-defined] # of the consumer next to this class


@pytest.fixture
def blocking() -> Iterator[type[Blocking]]:
    cues = {"entered": threading.Event(), "released": threading.Event()}
    yield type("Cued", (Blocking,), cues)
    cues["released"].set()


class AsyncEcho(DirectWebsocketDispatchMixin, AsyncWebsocketConsumer):
    async def receive(self, text_data: str) -> None:
        await self.send(text_data)


class Echo(ThreadPoolDispatchMixin, WebsocketConsumer):
    def receive(self, text_data: str) -> None:
        self.send(text_data)


class HttpEcho(DirectHttpDispatchMixin, AsyncHttpConsumer):
    headers: Any = ()

    async def handle(self, body: bytes) -> None:
        await self.send_response(200, body, headers=self.headers)


@asynccontextmanager
async def connected(consumer: Any) -> AsyncIterator[WebsocketCommunicator]:
    communicator = WebsocketCommunicator(consumer.as_asgi(), "/here/")
    assert (await communicator.connect(TIMEOUT))[0]
    yield communicator
    await communicator.disconnect(timeout=TIMEOUT)


async def ask(communicator: WebsocketCommunicator, text: str) -> str:
    await communicator.send_to(text)
    reply = await communicator.receive_from(TIMEOUT)
    assert isinstance(reply, str)
    return reply


@pytest.mark.parametrize(
    ("file", "mixin"),
    [
        ("websocket.py", "ThreadPoolDispatchMixin"),
        ("async_websocket.py", "DirectWebsocketDispatchMixin"),
        ("json_websocket.py", "ThreadPoolDispatchMixin"),
        ("async_json_websocket.py", "DirectWebsocketDispatchMixin"),
        ("async_http.py", "DirectHttpDispatchMixin"),
    ],
)
async def test_a_tuned_consumer_is_the_usual_consumer_and_a_mixin(file: str, mixin: str) -> None:
    """A file of tuned, or tuned_rooms, differs from its twin by one import and one base class."""
    for edition in ("echo", "rooms"):
        tuned = CONSUMERS / edition.replace("echo", "tuned").replace("rooms", "tuned_rooms") / file
        if tuned.exists():
            without = tuned.read_text().replace(f"from consumers.tuned.mixins import {mixin}\n", "")
            assert (CONSUMERS / edition / file).read_text() == without.replace(f"{mixin}, ", "")


@pytest.mark.parametrize("neighbour", [AsyncEcho, Echo])
@pytest.mark.parametrize(
    "base", [(ThreadPoolDispatchMixin, WebsocketConsumer), (WebsocketConsumer,)]
)
async def test_a_blocked_consumer_delays_no_tuned_one(
    neighbour: Any, base: tuple[type, ...], blocking: type[Blocking]
) -> None:
    """Both kinds answer while a handler blocks a thread of the pool, or Channels' only one."""
    blocker = type("Blocker", (blocking, *base), {})

    async with connected(neighbour) as before, connected(blocker) as blocked:
        await blocked.send_to("block")
        assert await asyncio.to_thread(blocking.entered.wait, TIMEOUT)
        assert await ask(before, "hi") == "hi"
        assert not blocking.released.is_set()
        blocking.released.set()
        assert await blocked.receive_from(TIMEOUT) == "block"


async def test_a_flatter_send_takes_all_that_channels_takes() -> None:
    """Binary data, and a close behind a text, go out; sending nothing raises ValueError."""

    class Sender(AsyncEcho):
        async def receive(self, text_data: str) -> None:
            with pytest.raises(ValueError, match="bytes_data or text_data"):
                await self.send()
            await self.send(bytes_data=b"binary")
            await self.send(text_data, close=4000)

    async with connected(Sender) as communicator:
        await communicator.send_to("last")
        assert await communicator.receive_from(TIMEOUT) == b"binary"
        assert await communicator.receive_from(TIMEOUT) == "last"
        assert (await communicator.receive_output(TIMEOUT))["code"] == 4000


async def test_the_replies_of_one_handler_keep_their_order() -> None:
    """All that a handler sends goes out in the order sent, before the next message is handled."""

    class Stutter(Echo):
        def receive(self, text_data: str) -> None:
            for repetition in range(3):
                self.send(f"{text_data}{repetition}")

    async with connected(Stutter) as communicator:
        for text in "ab":
            await communicator.send_to(text)
        replies = [await communicator.receive_from(TIMEOUT) for _ in range(6)]

    assert replies == ["a0", "a1", "a2", "b0", "b1", "b2"]


class AsyncFailing(AsyncEcho):
    async def receive(self, text_data: str) -> None:
        await super().receive(text_data)
        raise LookupError(text_data)


class Failing(Echo):
    def receive(self, text_data: str) -> None:
        super().receive(text_data)
        raise LookupError(text_data)


@pytest.mark.parametrize("consumer", [AsyncFailing, Failing])
async def test_an_exception_of_a_handler_reaches_the_server(consumer: Any) -> None:
    """A handler's exception ends the application with it, after what the handler had sent."""
    communicator = WebsocketCommunicator(consumer.as_asgi(), "/here/")
    await communicator.connect(TIMEOUT)

    assert await ask(communicator, "hi") == "hi"
    with pytest.raises(LookupError, match="hi"):
        await communicator.wait(TIMEOUT)


async def test_a_handler_sees_the_context_of_its_connection() -> None:
    """What is in a context variable where the application is called is there in each handler."""
    language = ContextVar("language", default="en")

    class Spoken(Echo):
        def receive(self, text_data: str) -> None:
            super().receive(f"{text_data} {language.get()}")
            language.set("of this handler")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        language.set("eo")
        await Spoken()(scope, receive, send)

    communicator = WebsocketCommunicator(application, "/here/")
    await communicator.connect(TIMEOUT)
    replies = [await ask(communicator, text) for text in ("first", "second")]
    await communicator.disconnect(timeout=TIMEOUT)

    assert replies == ["first eo", "second eo"]


async def test_an_http_consumer_can_be_called_again() -> None:
    """The instance that has answered one request answers the next."""
    consumer = HttpEcho()
    for _ in range(2):
        communicator = HttpCommunicator(consumer, "POST", "/here/", b"")
        assert (await communicator.get_response(TIMEOUT))["status"] == 200
        await communicator.wait(TIMEOUT)


@pytest.mark.parametrize("consumer", [AsyncEcho, Echo])
async def test_an_event_without_a_handler_is_an_error(consumer: Any) -> None:
    """An event that the consumer has no method for raises ValueError, as in Channels."""
    communicator = WebsocketCommunicator(consumer.as_asgi(), "/here/")
    await communicator.send_input({"type": "websocket.unheard"})

    with pytest.raises(ValueError, match=r"No handler for message type websocket\.unheard"):
        await communicator.wait(TIMEOUT)


@pytest.mark.parametrize("headers", [[(b"X-Why", b"test")], {b"X-Why": b"test"}])
async def test_an_http_consumer_ends_with_its_response(headers: Any) -> None:
    """Over HTTP the loop ends as soon as the request is handled; headers are pairs or a dict."""
    consumer: Any = type("Headed", (HttpEcho,), {"headers": headers})
    communicator = HttpCommunicator(consumer.as_asgi(), "POST", "/here/", b"hi")

    response = await communicator.get_response(TIMEOUT)
    assert (response["status"], response["body"]) == (200, b"hi")
    assert response["headers"] == [(b"X-Why", b"test")]
    await communicator.wait(TIMEOUT)


class AsyncMember(AsyncEcho):
    groups = ["all"]  # noqa: RUF012 # Channels declares it without ClassVar

    async def receive(self, text_data: str) -> None:
        await self.channel_layer.group_send("all", {"type": "heard", "text": text_data})

    async def heard(self, event: Any) -> None:
        await self.send(event["text"])


class Member(Echo):
    groups = ["all"]  # noqa: RUF012 # Channels declares it without ClassVar

    def receive(self, text_data: str) -> None:
        async_to_sync(self.channel_layer.group_send)("all", {"type": "heard", "text": text_data})

    def heard(self, event: Any) -> None:
        self.send(event["text"])


@pytest.mark.parametrize("consumer", [AsyncMember, Member])
async def test_a_consumer_with_a_channel_layer_receives_from_both(consumer: Any) -> None:
    """It answers its client and the layer, and when it ends its channel is removed."""
    with override_settings(CHANNEL_LAYERS=IN_MEMORY):
        async with connected(consumer) as one, connected(consumer) as other:
            for text in "abc":
                assert await ask(one, text) == text
                assert await other.receive_from(TIMEOUT) == text
        layer: Any = get_channel_layer()
        assert layer is not None
        assert not layer.channels
        assert not layer.groups


class AsyncCounter(AsyncEcho):
    groups = ["all"]  # noqa: RUF012 # Channels declares it without ClassVar
    running = 0

    async def receive(self, *_: Any, **__: Any) -> None:
        self.running += 1
        await asyncio.sleep(0.001)
        await self.send(str(self.running))
        self.running -= 1

    heard = receive


class Counter(Echo):
    groups = ["all"]  # noqa: RUF012 # Channels declares it without ClassVar
    running = 0

    def receive(self, *_: Any, **__: Any) -> None:
        self.running += 1
        time.sleep(0.001)
        self.send(str(self.running))
        self.running -= 1

    heard = receive


async def test_async_to_sync_runs_on_the_event_loop_of_the_server() -> None:
    """What a handler calls through ``async_to_sync`` finds the loop that its connection is on."""
    loops = []

    async def note_loop() -> None:
        loops.append(asyncio.get_running_loop())

    class Calling(Echo):
        def receive(self, text_data: str) -> None:
            async_to_sync(note_loop)()
            super().receive(text_data)

    async with connected(Calling) as communicator:
        await ask(communicator, "hi")

    assert loops == [asyncio.get_running_loop()]


@pytest.mark.parametrize("consumer", [AsyncCounter, Counter])
async def test_one_event_is_handled_at_a_time(consumer: Any) -> None:
    """Events of the layer and messages of the client wait for each other."""
    with override_settings(CHANNEL_LAYERS=IN_MEMORY):
        async with connected(consumer) as communicator:
            layer: Any = get_channel_layer()
            for _ in range(10):
                await communicator.send_to("hi")
                await layer.group_send("all", {"type": "heard"})
            replies = [await communicator.receive_from(TIMEOUT) for _ in range(20)]

    assert replies == ["1"] * 20


class AsyncLeaver(AsyncEcho):
    handled: list[str]

    async def disconnect(self, _code: int) -> None:
        await self.channel_layer.send(self.channel_name, {"type": "heard"})
        await asyncio.sleep(0.01)
        self.handled.append("disconnect")

    async def heard(self, _event: Any) -> None:
        self.handled.append("heard")


class Leaver(Echo):
    handled: list[str]

    def disconnect(self, _code: int) -> None:
        async_to_sync(self.channel_layer.send)(self.channel_name, {"type": "heard"})
        time.sleep(0.01)
        self.handled.append("disconnect")

    def heard(self, _event: Any) -> None:
        self.handled.append("heard")


@pytest.mark.parametrize("consumer", [AsyncLeaver, Leaver])
async def test_no_handler_runs_after_disconnect(consumer: Any) -> None:
    """After disconnect, an event of the layer that waited for its turn is not handled."""
    handled: list[str] = []
    consumer = type("Noting", (consumer,), {"handled": handled})
    with override_settings(CHANNEL_LAYERS=IN_MEMORY):
        async with connected(consumer) as communicator:
            await communicator.send_to("hi")
            await communicator.receive_from(TIMEOUT)
        await asyncio.sleep(0.05)

    assert handled == ["disconnect"]


class BrokenLayer(InMemoryChannelLayer):
    """It breaks as soon as a handler runs."""

    is_handling: asyncio.Event

    async def receive(self, _channel: str) -> Any:
        await self.is_handling.wait()
        raise ConnectionError("broken")


@pytest.mark.parametrize("consumer", [AsyncEcho, Echo])
async def test_a_layer_that_breaks_interrupts_no_handler(consumer: Any) -> None:
    """The message that is being handled is answered, then the consumer ends with the error."""
    loop = asyncio.get_running_loop()
    layers = {"default": {"BACKEND": f"{__name__}.BrokenLayer"}}

    class AsyncSlow(consumer):  # type: ignore[misc] # a class to derive from, known when it runs
        async def receive(self, text_data: str) -> None:
            BrokenLayer.is_handling.set()
            await asyncio.sleep(0.05)
            await super().receive(text_data)

    class Slow(consumer):  # type: ignore[misc] # a class to derive from, known when it runs
        def receive(self, text_data: str) -> None:
            loop.call_soon_threadsafe(BrokenLayer.is_handling.set)
            time.sleep(0.05)
            super().receive(text_data)

    BrokenLayer.is_handling = asyncio.Event()
    slow = AsyncSlow if consumer is AsyncEcho else Slow
    with override_settings(CHANNEL_LAYERS=layers):
        communicator = WebsocketCommunicator(slow.as_asgi(), "/here/")
        assert (await communicator.connect(TIMEOUT))[0]
        assert await ask(communicator, "hi") == "hi"
        with pytest.raises(ConnectionError, match="broken"):
            await communicator.wait(TIMEOUT)


@pytest.mark.parametrize("consumer", [AsyncEcho, Echo])
async def test_a_connection_that_has_ended_leaves_nothing_behind(consumer: Any) -> None:
    """After the disconnect nothing refers to the consumer, and its threads can end."""
    ended = []

    class Mortal(consumer):  # type: ignore[misc] # a class to derive from, known when it runs
        threads = HandlerThreads(4)

        def __init__(self) -> None:
            super().__init__()
            ended.append(weakref.ref(self))

    async with connected(Mortal) as communicator:
        await ask(communicator, "hi")
    del communicator
    await asyncio.to_thread(Mortal.threads.shutdown)
    gc.collect()

    assert [reference() for reference in ended] == [None]


@pytest.mark.parametrize(("threshold", "lines"), [(TIMEOUT, 0), (-1.0, 3)])
async def test_waiting_for_a_thread_is_logged(
    threshold: float, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Each handler that waits longer than the threshold for a thread writes a line to the log."""
    logging_echo = type("LoggingEcho", (Echo,), {"thread_wait_threshold": threshold})

    with caplog.at_level(logging.WARNING):
        async with connected(logging_echo) as communicator:
            await ask(communicator, "hi")

    assert [record.message for record in caplog.records] == [
        "/here/ waited 0.0 s for a thread"
    ] * lines


async def test_a_consumer_behind_a_channel_name_can_wait_for_a_thread(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The wait of a handler whose scope has no path is logged too, and the handler runs."""
    handled: list[Any] = []

    class Task(ThreadPoolDispatchMixin, SyncConsumer):
        thread_wait_threshold = -1.0

        def task_do(self, event: Any) -> None:
            handled.append(event)
            raise StopConsumer

    event = {"type": "task.do"}
    application: Any = Task.as_asgi()

    async def receive() -> Any:
        return event

    with caplog.at_level(logging.WARNING):
        await application({"type": "channel", "channel": "task"}, receive, None)

    assert handled == [event]
    assert [record.message for record in caplog.records] == ["channel waited 0.0 s for a thread"]
