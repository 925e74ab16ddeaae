"""What Channels does around each message, taken away where a consumer does not need it.

Mixins that belong to no project: copy this file into yours and put one before the base class,
``OwnLoop`` for an asynchronous consumer, ``OneHop`` for a synchronous one:

    class ChatConsumer(OwnLoop, AsyncWebsocketConsumer): ...
    class ChatConsumer(OneHop, WebsocketConsumer): ...
    class PollConsumer(OwnLoopHttp, AsyncHttpConsumer): ...

All are for consumers without a channel layer, and refuse to run on one: waiting for the layer and
for the client at once is what the loop of Channels is there for. None calls ``dispatch``.

What stands in front of a consumer costs too. A ``ThreadSensitiveContext`` around ``OneHop`` is of
no use, for it brings its own threads. Do without ``AuthMiddlewareStack`` unless ``scope["user"]``
is needed: it looks at the session with every message sent, and over HTTP, where each message is a
request, it is a thread hop as well.
"""

import logging
from asyncio import get_running_loop
from collections import deque
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import cache
from time import monotonic
from typing import Any, ClassVar

from channels.consumer import AsyncConsumer, SyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.layers import get_channel_layer
from django.core.exceptions import ImproperlyConfigured

logger = logging.getLogger(__name__)


class OwnLoop(AsyncConsumer):
    """Await an event, then its handler: no thread hop and no task for each message.

    Given up: Channels awaits ``close_old_connections()`` before each message, on the one thread
    that all synchronous code of the process shares. Nothing is lost where a consumer leaves the
    database alone, or reaches it through ``database_sync_to_async``, which does the same for
    itself. Before Django's own asynchronous queries, await ``aclose_old_connections()``.
    """

    is_over = False
    """Another way for a handler to end the loop than to raise StopConsumer, which costs more."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        _forgo_layer(self)
        self.base_send = send
        try:
            while not self.is_over:
                message = await receive()
                await _handler(self, message)(message)
        except StopConsumer:
            pass


class OwnLoopHttp(OwnLoop, AsyncHttpConsumer):
    """``OwnLoop`` for an HTTP consumer, with fewer steps from the request to its response.

    Given up, beside what ``OwnLoop`` gives up: ``send_response`` calls neither ``send_headers``,
    ``send_body`` nor ``send``, should a consumer have those of its own.
    """

    async def http_request(self, message: Any) -> None:
        self.body.append(message.get("body", b""))
        if not message.get("more_body"):
            self.is_over = True
            try:
                await self.handle(b"".join(self.body))
            finally:
                await self.disconnect()

    async def send_response(self, status: int, body: bytes, headers: Any = ()) -> None:
        """Take what Channels' own takes: headers are pairs, or a dictionary."""
        if isinstance(headers, dict):
            headers = list(headers.items())
        send: Any = self.base_send
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class OneHop(SyncConsumer):
    """Run each handler in a pool of threads, then send what it sent: one hop for each message.

    Channels makes a hop for the handler and two for each reply, all on one thread for the whole
    process. Here a handler that blocks takes a thread from the pool and delays nobody, until as
    many block at once as the pool may have threads; a handler that had to wait for one is logged.

    Given up:

    - A reply leaves when the handler returns, so one handler cannot show its progress.
    - ``close_old_connections()`` is not called around each message. Nothing is lost where a
      consumer leaves the database alone; elsewhere call it first in the handler. Each thread of
      the pool holds a database connection of its own.
    - ``async_to_sync`` in a handler runs on an event loop of its own, not on the server's.
    """

    executor: ClassVar[Executor] = ThreadPoolExecutor(256, thread_name_prefix="one-hop")
    """Shared by all consumers that bring none. Threads start as handlers need them, then stay."""
    patience: ClassVar[float] = 1.0
    """Seconds that a handler may wait for a thread without a line in the log."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        _forgo_layer(self)
        outbox = deque[Any]()
        self.base_send: Any = outbox.append
        run = get_running_loop().run_in_executor
        with suppress(StopConsumer):
            while True:
                message = await receive()
                try:
                    # Its own context, as sync_to_async has it: such things as the active language.
                    await run(self.executor, copy_context().run, self._handle, message, monotonic())
                finally:  # a handler that raised has sent what it sent
                    while outbox:
                        await send(outbox.popleft())

    def _handle(self, message: Any, due: float) -> None:
        if (waited := monotonic() - due) > self.patience:
            logger.warning("%s waited %.1f s for a thread", self.scope["path"], waited)
        _handler(self, message)(message)


def _forgo_layer(consumer: Any) -> None:
    _refuse_layer(consumer.__class__, consumer.channel_layer_alias)
    consumer.channel_layer = None


@cache
def _refuse_layer(consumer: Any, alias: str) -> None:
    if get_channel_layer(alias) is not None:
        raise ImproperlyConfigured(
            f"{consumer.__qualname__} would not hear its channel layer {alias!r}: "
            "set channel_layer_alias = None, or leave out the mixin."
        )


def _handler(consumer: AsyncConsumer, message: Any) -> Any:
    handler = getattr(consumer, _handler_name(message["type"]), None)
    if handler is None:
        raise ValueError(f"No handler for message type {message['type']}")
    return handler


@cache
def _handler_name(event: str) -> str:
    return get_handler_name({"type": event})
