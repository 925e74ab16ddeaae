"""Backpressure on Daphne: a client that reads slowly slows down only its own connection.

Copy this file into a project, and put ``with_backpressure`` around each consumer and around all
that replaces ``receive`` or ``send``, such as ``ended_once``. On other servers it does nothing.

Why: Daphne keeps in memory what a client does not read, and all that it sends before the consumer
takes it, without a limit (github.com/django/daphne/issues/170, 483). The other servers let ``send``
wait, and read no more from a client whose messages are not taken.

How: Twisted, on which Daphne is built, says when more than 64 KiB wait to be written, and when they
are written. In between ``send`` waits. While more than ``INBOX`` messages wait for the consumer,
nothing is read from its client.

What is given up: a client whose messages wait cannot answer Daphne's pings, so that Daphne drops it
after ``--ping-timeout``.
"""

from asyncio import Event, Queue
from functools import partial
from typing import Any

INBOX = 16
"""Messages that wait for a consumer before Daphne stops reading."""


def with_backpressure(application: Any) -> Any:
    """Make an ASGI application that keeps only a few messages waiting, in either direction."""

    async def bounded_application(scope: Any, receive: Any, send: Any) -> None:
        if _is_of_daphne(send):
            if scope["type"] == "websocket":
                flow = WebSocketFlow(receive, send)
                receive, send = flow.receive, flow.send
            else:
                send = HttpFlow(send).send
        await application(scope, receive, send)

    return bounded_application


def _is_of_daphne(send: Any) -> bool:
    return isinstance(send, partial) and send.func.__module__ == "daphne.server"


class Flow:
    """A producer, as Twisted calls what writes to a connection.

    Every connection has one, so it is small: slots, and an event only while ``send`` has to wait.
    """

    __slots__ = ("_can_write", "_protocol", "_send")

    def __init__(self, send: Any) -> None:
        self._send = send
        (self._protocol,) = send.args
        self._can_write: Event | None = None
        """To wait for; None while one can write."""

    def pauseProducing(self) -> None:  # noqa: N802 # Twisted's name
        self._can_write = self._can_write or Event()

    def resumeProducing(self) -> None:  # noqa: N802 # Twisted's name
        if self._can_write:
            self._can_write.set()
            self._can_write = None

    def stopProducing(self) -> None:  # noqa: N802 # Twisted's name
        self.resumeProducing()  # the connection is lost: Daphne forgets what is sent

    def _send_when_possible(self, event: Any) -> Any:
        return self._wait_and_send(self._can_write, event) if self._can_write else self._send(event)

    async def _wait_and_send(self, can_write: Event, event: Any) -> None:
        await can_write.wait()
        await self._send(event)


class WebSocketFlow(Flow):
    __slots__ = ("_inbox", "_is_reading", "_transport")

    def __init__(self, receive: Any, send: Any) -> None:
        super().__init__(send)
        self._transport = self._protocol.transport
        self._transport.unregisterProducer()  # that of HTTP, which came before the handshake
        self._transport.registerProducer(self, True)
        self._inbox: Queue[Any] = receive.__self__
        self._inbox.put_nowait = self._put_and_pause
        self._is_reading = True

    def send(self, event: Any) -> Any:
        return self._send_when_possible(event)

    def _put_and_pause(self, event: Any) -> None:
        Queue.put_nowait(self._inbox, event)
        if event["type"] == "websocket.disconnect":
            # Daphne's WebSocket library forgets its producer when it ends a connection by itself,
            # as for a forbidden frame: Twisted does not call stopProducing.
            self.stopProducing()
        if self._inbox.qsize() > INBOX and self._is_reading:
            self._is_reading = False
            self._transport.pauseProducing()

    def receive(self) -> Any:
        if not self._is_reading and self._inbox.empty():
            self._is_reading = True
            self._transport.resumeProducing()
        return self._inbox.get()


class HttpFlow(Flow):
    """Only of a response that comes in parts."""

    __slots__ = ("_is_registered",)

    def __init__(self, send: Any) -> None:
        super().__init__(send)
        self._is_registered = False

    def send(self, event: Any) -> Any:
        if event["type"] == "http.response.body":
            if event.get("more_body"):
                if not self._is_registered and self._protocol.channel is not None:
                    self._is_registered = True
                    self._protocol.registerProducer(self, True)
                return self._send_when_possible(event)
            if self._is_registered and self._protocol.channel is not None:
                self._protocol.unregisterProducer()
        return self._send(event)
