"""The end of a connection where Hypercorn does not say it, and WebSockets without compression.

Copy this file into a project that runs on Hypercorn, and put ``with_every_end`` around each
consumer, also around ``ended_once``, and ``without_compression`` around each WebSocket consumer. On
other servers they do nothing.

Why ``without_compression``: Hypercorn compresses for each client that offers it, without an option
to turn it off (github.com/pgjones/hypercorn/issues/307), and inflates a message before it looks at
its size: 1 MB can become 1 GB.

Why ``with_every_end``: with Hypercorn 0.18 a client can leave a consumer behind, which waits for
ever and stays in its groups:

- It sends a frame before its handshake is answered. Hypercorn answers 400, but the consumer is
  connected already, and gets no more events (github.com/davidbrochart/anycorn/pull/69). If the
  consumer accepts while the 400 is sent, both raise (github.com/pgjones/hypercorn/issues/225).
- It sends more than ten messages, reads no reply, and leaves. Then ``send`` does not return before
  the end is in the queue of events, which has room for ten; and the consumer takes none out of it
  before ``send`` returns.

How: Hypercorn's stream knows that it is closed. From then on there is no event but those in the
queue and, where the queue is full, the end: while ``send`` waits, room is made for it.
"""

from asyncio import get_running_loop
from collections import deque
from typing import Any

CHECK_SECONDS = 0.5
"""How often a send that does not return looks whether the stream is closed."""


def with_every_end(application: Any) -> Any:
    """Make an ASGI application that is not left waiting for an end that Hypercorn does not say."""

    async def ending_application(scope: Any, receive: Any, send: Any) -> None:
        stream = _stream_of(send)
        if stream is not None:
            connection = HypercornConnection(scope["type"], stream, receive, send)
            receive, send = connection.receive, connection.send
        await application(scope, receive, send)

    return ending_application


def without_compression(application: Any) -> Any:
    """Make an ASGI application whose WebSockets take up no offer to compress."""

    async def uncompressed_application(scope: Any, receive: Any, send: Any) -> None:
        stream = _stream_of(send)
        if stream is not None and scope["type"] == "websocket":
            stream.handshake.extensions = None  # those that the client offers
        await application(scope, receive, send)

    return uncompressed_application


def _stream_of(send: Any) -> Any:
    """Return Hypercorn's stream; None on another server."""
    stream = getattr(send, "__self__", None)
    return stream if type(stream).__module__.startswith("hypercorn.") else None


class HypercornConnection:
    """What is between Hypercorn and one consumer."""

    __slots__ = (
        "_is_checking",
        "_queue",
        "_receive",
        "_send",
        "_sending",
        "_stream",
        "_taken",
        "_type",
    )

    def __init__(self, kind: str, stream: Any, receive: Any, send: Any) -> None:
        self._type = kind
        self._stream = stream
        self._queue = receive.__self__
        self._receive = receive
        self._send = send
        self._taken: deque[Any] = deque()
        self._sending = 0
        self._is_checking = False

    async def receive(self) -> Any:
        if self._taken:
            return self._taken.popleft()
        if self._stream.closed and self._queue.empty():
            return {"type": f"{self._type}.disconnect", "code": 1006}
        return await self._receive()

    async def send(self, event: Any) -> None:
        if self._is_refused():
            self._stream.closed = True  # as Hypercorn does when the 400 is sent
            return
        self._sending += 1
        if not self._is_checking:
            self._is_checking = True
            get_running_loop().call_later(CHECK_SECONDS, self._make_room)
        try:
            await self._send(event)
        finally:
            self._sending -= 1

    def _is_refused(self) -> bool:
        """Whether the answer to the handshake has begun, and is not the consumer's."""
        if self._stream.state.name != "HANDSHAKE":
            return False
        connection = getattr(self._stream.send.__self__, "connection", None)
        http1 = getattr(connection, "h11_connection", None)
        return http1 is not None and repr(http1.our_state) != "SEND_RESPONSE"

    def _make_room(self) -> None:
        if self._stream.closed and self._queue.full():
            self._taken.append(self._queue.get_nowait())
        self._is_checking = self._sending > 0
        if self._is_checking:
            get_running_loop().call_later(CHECK_SECONDS, self._make_room)
