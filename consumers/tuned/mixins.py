"""Mixins that take away what Channels does around each message and a consumer may not need.

Copy this file and ``handler_threads.py`` into your project and put one mixin before the base
class:

    class ChatConsumer(DirectWebsocketDispatchMixin, AsyncWebsocketConsumer): ...
    class ChatConsumer(ThreadPoolDispatchMixin, WebsocketConsumer): ...
    class PollConsumer(DirectHttpDispatchMixin, AsyncHttpConsumer): ...
    class TaskConsumer(DirectDispatchMixin, AsyncConsumer): ...

For a consumer with a channel layer, Channels makes a task for each event. Here two tasks last as
long as the connection: one receives from the client, one from the layer, and they take turns at the
consumer. None of the mixins calls ``dispatch``.

Middleware costs too. A ``ThreadSensitiveContext`` around a ``ThreadPoolDispatchMixin`` isolates
only what is not a handler, because the mixin has its own threads. Leave out ``AuthMiddlewareStack``
where ``scope["user"]`` is not used: it checks the session with every message sent, and for each
HTTP request it also switches threads.
"""

import logging
from asyncio import (
    FIRST_COMPLETED,
    AbstractEventLoop,
    Lock,
    create_task,
    gather,
    get_running_loop,
    wait,
)
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from functools import cache
from os import getpid
from time import monotonic
from typing import Any, ClassVar

from asgiref.sync import SyncToAsync
from channels.consumer import AsyncConsumer, SyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

from consumers.tuned.handler_threads import HandlerThreads

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[Any]]
Dispatch = Callable[[Any], Awaitable[None]]


class _DispatchMixin(AsyncConsumer):
    stopped = False
    """A handler sets it to end the consumer: cheaper than raising StopConsumer."""

    async def _dispatch_all(self, receive: Receive, dispatch: Dispatch) -> None:
        """Dispatch the events of the client, and of the channel layer if there is one, in turns."""
        self.stopped = False  # an instance can be called again
        self.channel_layer: Any = get_channel_layer(self.channel_layer_alias)
        if self.channel_layer is None:
            await self._dispatch_from(receive, dispatch)
            return
        self.channel_name = await self.channel_layer.new_channel()
        turn = Lock()

        async def dispatch_in_turn(event: Any) -> None:
            # A handler that ends the consumer keeps its turn, so that none runs after disconnect.
            await turn.acquire()
            await dispatch(event)
            if not self.stopped:
                turn.release()

        async def receive_from_layer() -> Any:
            try:
                return await self.channel_layer.receive(self.channel_name)
            except Exception:
                await turn.acquire()  # what a handler is doing is finished first
                raise

        sources = receive, receive_from_layer
        tasks = [create_task(self._dispatch_from(one, dispatch_in_turn)) for one in sources]
        try:
            ended, _ = await wait(tasks, return_when=FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await gather(*tasks, return_exceptions=True)

    async def _dispatch_from(self, receive: Receive, dispatch: Dispatch) -> None:
        with suppress(StopConsumer):
            while not self.stopped:
                await dispatch(await receive())


class DirectDispatchMixin(_DispatchMixin):
    """Await an event, then its handler: no thread switch and no task for each message.

    What you give up: Channels awaits ``close_old_connections()`` before each message, on the one
    thread that all synchronous code of the process shares. A consumer loses nothing if it does not
    use the database, or uses it through ``database_sync_to_async``, which makes that call too.
    Before Django's own asynchronous queries, await ``aclose_old_connections()``.
    """

    async def __call__(self, scope: Any, receive: Receive, send: Any) -> None:
        self.scope = scope
        self.base_send = send
        await self._dispatch_all(receive, lambda event: _handler(self, event)(event))


class DirectWebsocketDispatchMixin(DirectDispatchMixin, AsyncWebsocketConsumer):
    """``DirectDispatchMixin`` for a WebSocket consumer, with fewer coroutines for each message.

    Channels awaits three more on the way to ``receive`` and from ``send``. Here the methods between
    return what the next one returns, and it is awaited once. Nothing more is given up.
    """

    def websocket_receive(self, message: Any) -> Awaitable[None]:
        if (text := message.get("text")) is not None:
            return self.receive(text_data=text)
        return self.receive(bytes_data=message["bytes"])

    def send(
        self, text_data: str | None = None, bytes_data: bytes | None = None, close: Any = False
    ) -> Awaitable[None]:
        if text_data is None or close:
            return super().send(text_data, bytes_data, close)
        base_send: Any = self.base_send
        sent: Awaitable[None] = base_send({"type": "websocket.send", "text": text_data})
        return sent


class DirectHttpDispatchMixin(DirectDispatchMixin, AsyncHttpConsumer):
    """``DirectDispatchMixin`` for an HTTP consumer, with fewer steps from request to response.

    What you give up in addition: ``send_response`` does not call ``send_headers``, ``send_body``
    or ``send``, so a consumer that overrides those must override ``send_response`` instead.
    """

    async def http_request(self, message: Any) -> None:
        self.body.append(message.get("body", b""))
        if not message.get("more_body"):
            self.stopped = True
            try:
                await self.handle(b"".join(self.body))
            finally:
                await self.disconnect()

    async def send_response(self, status: int, body: bytes, headers: Any = ()) -> None:
        """Send a whole response. ``headers`` are pairs or a dictionary, as in Channels."""
        if isinstance(headers, dict):
            headers = list(headers.items())
        send: Any = self.base_send
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class ThreadPoolDispatchMixin(_DispatchMixin, SyncConsumer):
    """Run each handler on a thread, then send its replies: one thread switch a message.

    Channels switches threads once for the handler and twice for each reply, always to the same
    thread of the process. Here a handler that blocks occupies one thread of many and delays no
    other connection until all are occupied. A handler that had to wait for a thread is logged.

    How it works: a thread takes the message from a queue, runs the handler in a copy of the task's
    context, and collects what the handler sends. Then it wakes the event loop, unless another
    thread has just done so. The loop sends the replies of all handlers that have finished. The next
    message of a connection is received only after its replies are sent. ``handler_threads.py`` says
    when threads start.

    What you give up:

    - A reply is sent when the handler returns, so one handler cannot report its progress. What
      other threads send is sent after the next handler.
    - ``close_old_connections()`` is not called around each message. A consumer that uses the
      database calls it at the start of each handler. Each thread has a database connection of its
      own.
    """

    threads: ClassVar[HandlerThreads] = HandlerThreads(256)
    """Shared by all consumers that do not set their own."""
    thread_wait_threshold: ClassVar[float] = 1.0
    """In seconds. A handler that waits longer than this for a thread is logged."""

    async def __call__(self, scope: Any, receive: Receive, send: Any) -> None:
        self.scope = scope
        outbox = deque[Any]()
        self.base_send: Any = outbox.append
        loop = get_running_loop()
        run = self.threads.of_running_loop().run

        async def dispatch(event: Any) -> None:
            # A copied context, as in sync_to_async, carries over such things as the language.
            try:
                await run(copy_context().run, self._handle, event, monotonic(), loop)
            finally:  # what a handler has sent before it raises an exception is sent too
                while outbox:
                    await send(outbox.popleft())

        await self._dispatch_all(receive, dispatch)

    def _handle(self, event: Any, queued_at: float, loop: AbstractEventLoop) -> None:
        if (waited := monotonic() - queued_at) > self.thread_wait_threshold:
            path = self.scope.get("path", self.scope["type"])
            logger.warning("%s waited %.1f s for a thread", path, waited)
        # As sync_to_async does: async_to_sync in the handler then runs on the server's event loop.
        thread = SyncToAsync.threadlocal
        if getattr(thread, "main_event_loop", None) is not loop:  # getpid() is a system call
            thread.main_event_loop, thread.main_event_loop_pid = loop, getpid()
        _handler(self, event)(event)


def _handler(consumer: AsyncConsumer, message: Any) -> Any:
    handler = getattr(consumer, _handler_name(message["type"]), None)
    if handler is None:
        raise ValueError(f"No handler for message type {message['type']}")
    return handler


@cache
def _handler_name(event: str) -> str:
    return get_handler_name({"type": event})
