"""The client: connections so cheap that the server is the slower side.

All kinds are driven by callbacks: waking a task for each reply would cost more than the reply.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from secrets import token_hex
from typing import Protocol, TypeVar, cast
from urllib.parse import urlsplit

import httptools
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from consumers.mqtt.replies import reply_topic
from sandbox.bench.exhibits import MQTT
from sandbox.mqtt import packets
from sandbox.mqtt.packets import V311, Message

CONNECT_SECONDS = 30.0
CONNECTS_AT_ONCE = 32
CONNECT_ERRORS = (OSError, TimeoutError, WSError)
COMPRESSION = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
"""What Chromium and Firefox send."""
LARGEST_REPLY = 1 << 20
"""Bytes of an MQTT packet."""
RESET = struct.pack("ii", 1, 0)
"""The option SO_LINGER with which closing a socket resets its connection."""

T = TypeVar("T")


class Listener(Protocol):
    """An open connection. What comes is given to ``on_reply``."""

    on_reply: Callable[[bytes], None]
    """Given the payload; over HTTP that of any response but a 200 or 202 is empty."""
    on_lost: Callable[[], None]

    def close(self) -> None: ...


class Connection(Listener, Protocol):
    """One that sends, too. Replies come in the order of the requests."""

    def send(self, payload: bytes) -> None: ...


async def connect(
    url: str, count: int, *, compression: bool = False
) -> tuple[list[Connection], int]:
    """Open ``count`` connections, or as many as possible; return how many were refused too.

    With ``compression`` WebSockets offer it, as browsers do, and can then receive nothing: this
    client does not decompress.
    """
    headers = COMPRESSION if compression else None

    def opening() -> Awaitable[Connection]:
        if url.startswith("mqtt-"):
            return _mqtt(url)
        return _http(url) if url.startswith("http:") else _websocket(url, headers=headers)

    return await _open(count, opening)


async def listen(url: str, count: int) -> tuple[list[Listener], int]:
    """Open ``count`` event streams, or as many as possible; return how many were refused too."""
    return await _open(count, lambda: follow(url, None, ignore_reply, ignore_loss))


async def _open(count: int, opening: Callable[[], Awaitable[T]]) -> tuple[list[T], int]:
    turn = asyncio.Semaphore(CONNECTS_AT_ONCE)
    connections: list[T] = []
    refused = 0

    async def one() -> None:
        nonlocal refused
        async with turn:
            try:
                connections.append(await opening())
            except CONNECT_ERRORS:
                refused += 1

    await asyncio.gather(*(one() for _ in range(count)))
    return connections, refused


async def disconnect(connections: Sequence[Listener]) -> None:
    for connection in connections:
        connection.on_reply, connection.on_lost = ignore_reply, ignore_loss
        connection.close()
    await asyncio.sleep(0)


def ignore_reply(_payload: bytes) -> None:
    pass


def ignore_loss() -> None:
    pass


class WebSocketConnection(WSListener):
    def __init__(
        self,
        on_reply: Callable[[bytes], None] = ignore_reply,
        on_lost: Callable[[], None] = ignore_loss,
    ) -> None:
        self.on_reply, self.on_lost = on_reply, on_lost

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

    def reset(self) -> None:
        _reset(self._transport.underlying_transport)


async def _websocket(
    url: str,
    on_reply: Callable[[bytes], None] = ignore_reply,
    on_lost: Callable[[], None] = ignore_loss,
    headers: Mapping[str, str] | None = None,
) -> WebSocketConnection:
    _, connection = await ws_connect(
        lambda: WebSocketConnection(on_reply, on_lost),
        url,
        websocket_handshake_timeout=CONNECT_SECONDS,
        extra_headers=headers,
    )
    if connection is None:  # picows says no more when the server ends a connection unanswered
        raise ConnectionError("the connection was closed before the handshake")
    return cast("WebSocketConnection", connection)


def _reset(transport: asyncio.Transport) -> None:
    """End a connection as a network that fails does: the peer gets a reset, and no goodbye."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()


class HttpConnection(asyncio.Protocol):
    """POSTs, one after another, on a connection that is kept alive."""

    def __init__(self, host: str, path: str) -> None:
        self.on_reply: Callable[[bytes], None] = ignore_reply
        self.on_lost: Callable[[], None] = ignore_loss
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
        is_good = self._parser.get_status_code() in {HTTPStatus.OK, HTTPStatus.ACCEPTED}
        body = self._body if is_good else b""
        self._waiting.popleft()
        if self._waiting:
            self._post()
        self.on_reply(body)


class EventStreamConnection(asyncio.Protocol):
    """Server-sent events, whose data are the replies. It is open once the first block has come."""

    def __init__(
        self, request: bytes, on_reply: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        self.on_reply, self.on_lost = on_reply, on_lost
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._received = b""
        self._parser = httptools.HttpResponseParser(self)

    def close(self) -> None:
        self._transport.close()

    def reset(self) -> None:
        _reset(self._transport)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("no event stream came"))
        self.on_lost()

    # What httptools calls.

    def on_body(self, body: bytes) -> None:
        if self._parser.get_status_code() != HTTPStatus.OK:
            return
        *blocks, self._received = (self._received + body).split(b"\n\n")
        for block in blocks:
            if not self.opened.done():
                self.opened.set_result(None)
            for line in block.split(b"\n"):
                if line.startswith(b"data: "):
                    self.on_reply(line.removeprefix(b"data: "))

    def on_message_complete(self) -> None:
        self._transport.close()


async def follow(
    url: str, last: int | None, on_reply: Callable[[bytes], None], on_lost: Callable[[], None]
) -> WebSocketConnection | EventStreamConnection:
    """Join a room, after its message ``last`` if it remembers. Raises one of CONNECT_ERRORS.

    The callbacks are there from the start: what was missed comes in one piece with the handshake.
    """
    if url.startswith("ws:"):
        return await _websocket(url if last is None else f"{url}?after={last}", on_reply, on_lost)
    where = urlsplit(url)
    host, _, port = where.netloc.partition(":")
    resume = "" if last is None else f"Last-Event-ID: {last}\r\n"
    request = (
        f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Accept: text/event-stream\r\n{resume}\r\n"
    )
    async with asyncio.timeout(CONNECT_SECONDS):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: EventStreamConnection(request.encode(), on_reply, on_lost),
            host,
            int(port),
        )
        try:
            await connection.opened
        except BaseException:
            connection.close()
            raise
    return connection


async def _http(url: str) -> Connection:
    where = urlsplit(url)
    host, _, port = where.netloc.partition(":")
    async with asyncio.timeout(CONNECT_SECONDS):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: HttpConnection(where.netloc, where.path), host, int(port)
        )
    return connection


class MqttConnection(asyncio.Protocol):
    """A device: its requests are published, and the replies come on the topic next to theirs.

    On another topic than that of a request it hears all that is published, and so itself too.
    """

    def __init__(self, topic: str, qos: int) -> None:
        self.on_reply: Callable[[bytes], None] = ignore_reply
        self.on_lost: Callable[[], None] = ignore_loss
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._name = f"bench-{token_hex(8)}"
        self._topic, self._qos = topic.replace("<client>", self._name), qos
        self._heard = reply_topic(self._topic) if topic.endswith("/request") else self._topic
        self._id = 0
        self._reader = packets.Reader(LARGEST_REPLY)

    def send(self, payload: bytes) -> None:
        self._id = self._id % packets.LARGEST_ID + 1
        message = Message(self._topic, payload, self._qos, retain=False, id=self._id)
        self._transport.write(packets.publish(V311, message))

    def close(self) -> None:
        self._transport.close()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            packets.connect(V311, self._name, keep_alive=0, clean=True)
            + packets.subscribe(V311, 1, self._heard, self._qos)
        )

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        for packet in self._reader.packets(len(data)):
            if packet.type == packets.PUBLISH:
                message = packets.read_publish(packet, V311)
                if message.qos:
                    self._transport.write(packets.puback(message.id))
                self.on_reply(message.payload)
            elif packet.type == packets.SUBACK:
                self.subscribed.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.subscribed.done():
            self.subscribed.set_exception(ConnectionError("the broker closed the connection"))
        self.on_lost()


async def _mqtt(url: str) -> Connection:
    where = urlsplit(url)
    host, _, port = where.netloc.partition(":")
    async with asyncio.timeout(CONNECT_SECONDS):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: MqttConnection(where.path[1:], MQTT.index(where.scheme)), host, int(port)
        )
        await connection.subscribed
    return connection
