"""Every consumer learns of the end of its connection once, on every server, at a restart too.

Copy this file into a project, and put ``ended_once`` around each consumer:

    path("chat/", ended_once(ChatConsumer.as_asgi()))

Why: a client may leave before its reply is sent. The ASGI specification lets the server raise
OSError from ``send`` then, as Uvicorn does, and Daphne may raise an exception of its own. Channels
does not call ``disconnect`` after an exception (github.com/django/channels/issues/1466), so groups
are not left and nothing is cleaned up. With this file a late ``send`` does nothing, and the
consumer then receives the disconnect event as usual.

At SIGTERM most servers drop their connections, and wait for an event stream for ever. With this
file SIGTERM first ends every connection, at the moment when its consumer waits for an event: what
it is doing is done, and answered. A WebSocket is closed with 1012, Service Restart, an event stream
ends, and ``disconnect`` runs. Then the server ends in its own way. A process that has not ended
after ``EXIT_SECONDS`` exits all the same: asgiref never ends where a thread sends to an event loop
that has gone.

The signal is handled where the server itself handles it, which it does in the main thread: the
autoreloader of ``runserver`` ends as it always did.
"""

import logging
import os
import signal
import threading
from asyncio import AbstractEventLoop, CancelledError, Task, current_task, get_running_loop, sleep
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

try:
    from autobahn.exception import Disconnected
except ImportError:  # Daphne is not installed
    GONE: tuple[type[Exception], ...] = (OSError,)
else:
    GONE = (OSError, Disconnected)

TOO_LATE = ("handler is closed", "after sending 'websocket.close'")
"""In a RuntimeError: what uvloop says of a client that has left, and Uvicorn of one that it has
closed by itself, for a frame that breaks the rules."""

logger = logging.getLogger(__name__)

GRACE_SECONDS = 5.0
"""How long SIGTERM lets consumers finish what they do."""
EXIT_SECONDS = 8.0
"""How long after SIGTERM the process is gone."""
SERVICE_RESTART, SERVICE_RESTART_ON_DAPHNE = 1012, 4012
NO_CODE = 1005


def ended_once(application: Any) -> Any:
    """Make an ASGI application that can send at any time, and gets its end as an event."""

    async def ended_application(scope: Any, receive: Any, send: Any) -> None:
        shutdown.prepare()
        connection = Connection(scope, receive, send)
        shutdown.connections.add(connection)
        try:
            await application(scope, connection.receive, connection.send)
        finally:
            shutdown.connections.discard(connection)

    return ended_application


class Connection:
    """What is between the server and one consumer."""

    __slots__ = ("_can_close", "_is_over", "_is_websocket", "_receive", "_receiving", "_send")

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self._is_websocket = scope["type"] == "websocket"
        self._receive = receive
        self._send = send
        self._receiving: Task[Any] | None = None
        self._can_close = False
        """A WebSocket that has begun, or an event stream: other responses end by themselves."""
        self._is_over = False

    async def receive(self) -> Any:
        if shutdown.has_begun and self._can_close:
            return await self._close()
        self._receiving = task = current_task()
        try:
            event = await self._receive()
        except CancelledError:
            if task is None or self._receiving is task:  # not cancelled by us
                raise
            task.uncancel()
            return await self._close()
        finally:
            self._receiving = None
        kind = event["type"]
        if kind == "websocket.connect":
            self._can_close = True
        elif kind in ("websocket.disconnect", "http.disconnect"):
            self._is_over = True
            if event.get("code", 0) is None:  # Daphne's word for a close frame without a code
                event["code"] = NO_CODE
        return event

    async def send(self, event: Any) -> None:
        if self._is_over:
            return
        try:
            await self._send(event)
        except GONE:
            self._is_over = True
        except RuntimeError as error:
            if not any(words in str(error) for words in TOO_LATE):
                raise
            self._is_over = True
        if event["type"] == "http.response.body":
            self._can_close = bool(event.get("more_body"))

    def interrupt(self) -> None:
        """Close now, if the consumer waits for an event."""
        if self._receiving is not None and self._can_close:
            task, self._receiving = self._receiving, None
            task.cancel()

    async def _close(self) -> Any:
        """Close the client's side; return the event for the consumer."""
        if self._is_websocket:
            try:
                await self.send({"type": "websocket.close", "code": SERVICE_RESTART})
            except Exception:  # noqa: BLE001 # Daphne raises a bare Exception: it cannot send 1012
                with suppress(Exception):  # Hypercorn does where the handshake was refused
                    await self.send({"type": "websocket.close", "code": SERVICE_RESTART_ON_DAPHNE})
            event = {"type": "websocket.disconnect", "code": SERVICE_RESTART}
        else:
            await self.send({"type": "http.response.body", "body": b""})
            event = {"type": "http.disconnect"}
        self._is_over = True
        return event


class Shutdown:
    """What SIGTERM does to the connections of this process."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.has_begun = False
        self._is_prepared = False
        self._ending: Task[None] | None = None

    def prepare(self) -> None:
        """Put our handler in front of the server's, which is there by the first connection."""
        if self._is_prepared:
            return
        self._is_prepared = True
        if threading.current_thread() is not threading.main_thread():
            return
        number, loop = signal.SIGTERM, get_running_loop()
        handler = signal.getsignal(number)
        if not callable(handler):
            return
        was_of_loop = False
        with suppress(NotImplementedError):  # on Windows
            was_of_loop = loop.remove_signal_handler(number)
        if was_of_loop:
            # A handler of the event loop cannot be called. Hypercorn and Granian have the same for
            # SIGINT.
            end_server = partial(signal.raise_signal, signal.SIGINT)
        else:
            end_server = partial(handler, number, None)
        begin = partial(self._begin, loop, end_server)
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(begin) and None)

    def _begin(self, loop: AbstractEventLoop, end_server: Callable[[], Any]) -> None:
        if not self.has_begun:
            self.has_begun = True
            self._ending = loop.create_task(self._end(end_server))

    async def _end(self, end_server: Callable[[], Any]) -> None:
        exit_timer = threading.Timer(EXIT_SECONDS, _exit)
        exit_timer.daemon = True
        with suppress(RuntimeError):  # the system gives no further thread
            exit_timer.start()
        deadline = monotonic() + GRACE_SECONDS
        for connection in tuple(self.connections):
            connection.interrupt()
        while self.connections and monotonic() < deadline:  # noqa: ASYNC110 # rare, and simple
            await sleep(0.05)
        end_server()


def _exit() -> None:
    logger.error("not ended %g s after SIGTERM: exiting", EXIT_SECONDS)
    os._exit(1)


shutdown = Shutdown()
