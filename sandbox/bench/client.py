"""The client: connections so cheap that the server is the slower side.

Both kinds are driven by callbacks: waking a task for each reply would cost more than the reply.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast
from urllib.parse import urlsplit

import httptools
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

CONNECT_SECONDS = 30.0
CONNECTS_AT_ONCE = 32


class Connection(Protocol):
    """An open connection. Replies come to ``on_reply`` in the order of the requests."""

    on_reply: Callable[[bytes], None]
    """Given the payload; over HTTP that of any response but a 200 is empty."""
    on_lost: Callable[[], None]

    def send(self, payload: bytes) -> None: ...
    def close(self) -> None: ...


async def connect(url: str, count: int) -> tuple[list[Connection], int]:
    """Open ``count`` connections, or as many as possible; return how many were refused too."""
    turn = asyncio.Semaphore(CONNECTS_AT_ONCE)
    connections: list[Connection] = []
    refused = 0

    async def one() -> None:
        nonlocal refused
        async with turn:
            try:
                connections.append(
                    await (_http(url) if url.startswith("http:") else _websocket(url))
                )
            except (OSError, TimeoutError, WSError):
                refused += 1

    await asyncio.gather(*(one() for _ in range(count)))
    return connections, refused


async def disconnect(connections: list[Connection]) -> None:
    for connection in connections:
        connection.on_reply, connection.on_lost = _ignore_reply, _ignore_loss
        connection.close()
    await asyncio.sleep(0)


def _ignore_reply(_payload: bytes) -> None:
    pass


def _ignore_loss() -> None:
    pass


class WebSocketConnection(WSListener):
    def __init__(self) -> None:
        self.on_reply: Callable[[bytes], None] = _ignore_reply
        self.on_lost: Callable[[], None] = _ignore_loss

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            self.on_reply(frame.get_payload_as_bytes())
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 # picows passes it
        self.on_lost()

    def send(self, payload: bytes) -> None:
        self._transport.send(WSMsgType.TEXT, payload)

    def close(self) -> None:
        self._transport.disconnect()


async def _websocket(url: str) -> Connection:
    _, connection = await ws_connect(
        WebSocketConnection, url, websocket_handshake_timeout=CONNECT_SECONDS
    )
    if connection is None:  # lost before it could be handed over
        raise ConnectionResetError
    return cast("WebSocketConnection", connection)


class HttpConnection(asyncio.Protocol):
    """POSTs, one after another, on a connection that is kept alive."""

    def __init__(self, host: str, path: str) -> None:
        self.on_reply: Callable[[bytes], None] = _ignore_reply
        self.on_lost: Callable[[], None] = _ignore_loss
        self._head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: %d\r\n\r\n".encode()
        self._waiting: deque[bytes] = deque()
        """The payload under way, then those that wait for its response."""

    def send(self, payload: bytes) -> None:
        self._waiting.append(payload)
        if len(self._waiting) == 1:
            self._post()

    def _post(self) -> None:
        payload = self._waiting[0]
        self._body = b""
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(self._head % len(payload) + payload)

    def close(self) -> None:
        self._transport.close()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self.on_lost()

    # What httptools calls.

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        is_good = self._parser.get_status_code() == 200  # noqa: PLR2004 # HTTP's own name for it
        body = self._body if is_good else b""
        self._waiting.popleft()
        if self._waiting:
            self._post()
        self.on_reply(body)


async def _http(url: str) -> Connection:
    where = urlsplit(url)
    host, _, port = where.netloc.partition(":")
    async with asyncio.timeout(CONNECT_SECONDS):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: HttpConnection(where.netloc, where.path), host, int(port)
        )
    return connection
