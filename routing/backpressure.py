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

from asyncio import Event
from functools import partial
from typing import Any

INBOX = 16
"""Messages that wait for a consumer before Daphne stops reading."""


def with_backpressure(application: Any) -> Any:
    """Make an ASGI application that keeps only a few messages waiting, in either direction."""

    async def bounded_application(scope: Any, receive: Any, send: Any) -> None:
        if _is_of_daphne(send):
            kind = WebSocketFlow if scope["type"] == "websocket" else HttpFlow
            flow = kind(send.args[0], receive, send)
            receive, send = flow.receive, flow.send
        await application(scope, receive, send)

    return bounded_application


def _is_of_daphne(send: Any) -> bool:
    return isinstance(send, partial) and send.func.__module__ == "daphne.server"


class Flow:
    """A producer, as Twisted calls what writes to a connection."""

    def __init__(self, protocol: Any, receive: Any, send: Any) -> None:
        self._protocol = protocol
        self._send = send
        self._can_write = Event()
        self._can_write.set()
        self.receive = receive

    def pauseProducing(self) -> None:  # noqa: N802 # Twisted's name
        self._can_write.clear()

    def resumeProducing(self) -> None:  # noqa: N802 # Twisted's name
        self._can_write.set()

    def stopProducing(self) -> None:  # noqa: N802 # Twisted's name
        self._can_write.set()  # the connection is lost: Daphne forgets what is sent

    async def _send_when_possible(self, event: Any) -> None:
        await self._can_write.wait()
        await self._send(event)


class WebSocketFlow(Flow):
    def __init__(self, protocol: Any, receive: Any, send: Any) -> None:
        super().__init__(protocol, receive, send)
        self._transport = protocol.transport
        self._transport.unregisterProducer()  # that of HTTP, which came before the handshake
        self._transport.registerProducer(self, True)
        self._inbox = receive.__self__
        self._put = self._inbox.put_nowait
        self._inbox.put_nowait = self._put_and_pause
        self._receive = receive
        self._is_reading = True
        self.receive = self._resume_and_receive

    def send(self, event: Any) -> Any:
        if self._can_write.is_set():
            return self._send(event)
        return self._send_when_possible(event)

    def _put_and_pause(self, event: Any) -> None:
        self._put(event)
        if self._inbox.qsize() > INBOX and self._is_reading:
            self._is_reading = False
            self._transport.pauseProducing()

    def _resume_and_receive(self) -> Any:
        if not self._is_reading and self._inbox.empty():
            self._is_reading = True
            self._transport.resumeProducing()
        return self._receive()


class HttpFlow(Flow):
    """Only of a response that comes in parts."""

    _is_registered = False

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
