"""A client that hides nothing: asyncio streams under protocol libraries that do no I/O.

It sends what a client library would refuse to, shows every frame that comes back, and can write
all of it down in a Trace.

    async with websocket("ws://127.0.0.1:8000/echo/websocket/") as connection:
        await connection.send('{"message": "hi"}')
        reply = await connection.receive()

    response = await http("POST", "http://127.0.0.1:8000/echo/async-http/", body=b'{"message": 1}')
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import h11
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response as HandshakeResponse
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

TIMEOUT = 30.0
READ_BYTES = 256 * 1024
EXCERPT_BYTES = 300

Header = tuple[str, str]


class RefusedError(Exception):
    """The server answered the handshake with something else than a WebSocket."""

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with status {status}")
        self.status = status


class ClosedError(Exception):
    """The server ended the connection: 1005 is a close without a code, 1006 no close at all."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with {code} {reason}".strip())
        self.code = code
        self.reason = reason


class Pong(NamedTuple):
    """The answer to a ping."""

    payload: bytes


class Event(NamedTuple):
    """One thing that went over the wire."""

    at: float
    """Seconds since the trace began."""
    connection: int
    """1 is the first that was opened."""
    sent: bool
    kind: str
    size: int
    excerpt: str
    """The beginning of the payload, as text where it is."""

    @property
    def milliseconds(self) -> str:
        return f"{self.at * 1000:.2f}"


@dataclass
class Trace:
    """All that went over one or more connections, in order."""

    events: list[Event] = field(default_factory=list)
    connections: int = 0
    began: float = field(default_factory=time.perf_counter)

    def add(self, connection: int, *, sent: bool, kind: str, payload: bytes = b"") -> None:
        at = time.perf_counter() - self.began
        excerpt = payload[:EXCERPT_BYTES].decode(errors="backslashreplace")
        self.events.append(Event(at, connection, sent, kind, len(payload), excerpt))


class _Stream:
    """A TCP or TLS connection that is written down."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trace: Trace | None
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.trace = trace
        self.number = 0
        if trace is not None:
            trace.connections += 1
            self.number = trace.connections

    @property
    def local_address(self) -> str:
        """What the server calls its client, as ``host:port``."""
        host, port, *_ = self.writer.get_extra_info("sockname")
        return f"{host}:{port}"

    def note(self, kind: str, payload: bytes = b"", *, sent: bool = False) -> None:
        if self.trace is not None:
            self.trace.add(self.number, sent=sent, kind=kind, payload=payload)

    async def write(self, data: bytes) -> None:
        # Whoever reads next learns that the connection is gone, and how it went.
        with suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def read(self) -> bytes:
        """Empty at the end of the stream, however it ended."""
        try:
            return await self.reader.read(READ_BYTES)
        except ConnectionError:
            return b""


@asynccontextmanager
async def _open(url: str, trace: Trace | None) -> AsyncIterator[_Stream]:
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    reader, writer = await asyncio.open_connection(
        parts.hostname,
        parts.port or (443 if secure else 80),
        ssl=ssl.create_default_context() if secure else None,
    )
    try:
        yield _Stream(reader, writer, trace)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


# WebSocket


class _AnyFrame(Frame):
    """A frame that may break the rules, as those of a faulty client do."""

    def check(self) -> None:
        pass


class WebSocket:
    """An open WebSocket."""

    def __init__(self, stream: _Stream, protocol: ClientProtocol) -> None:
        self._stream = stream
        self._protocol = protocol
        self._received: list[str | bytes | Pong] = []
        self._fragments: list[Frame] = []
        self._ended = False

    @property
    def subprotocol(self) -> str | None:
        return self._protocol.subprotocol

    @property
    def is_compressed(self) -> bool:
        return bool(self._protocol.extensions)

    @property
    def local_address(self) -> str:
        return self._stream.local_address

    async def send(self, message: str | bytes) -> None:
        """Send one message, text or binary, in one frame."""
        if isinstance(message, str):
            await self.send_frame(Opcode.TEXT, message.encode())
        else:
            await self.send_frame(Opcode.BINARY, message)

    async def send_frame(self, opcode: Opcode, payload: bytes, *, fin: bool = True) -> None:
        """Send any frame, allowed or not."""
        self._stream.note(opcode.name.lower() + ("" if fin else " …"), payload, sent=True)
        await self._stream.write(_AnyFrame(opcode, payload, fin).serialize(mask=True))

    async def receive(self, timeout: float = TIMEOUT) -> str | bytes | Pong:  # noqa: ASYNC109 # the caller's words
        """Return the next message or pong. Raises ClosedError, TimeoutError."""
        async with asyncio.timeout(timeout):
            while not self._received:
                if self._ended:
                    raise self._closed()
                await self._pump()
        return self._received.pop(0)

    async def close(
        self,
        code: int = 1000,
        reason: str = "",
        timeout: float = TIMEOUT,  # noqa: ASYNC109 # the caller's words
    ) -> ClosedError:
        """Shake hands on closing; say what the server answered."""
        if self._protocol.close_sent is None and not self._ended:
            self._protocol.send_close(code, reason)
            self._stream.note("close", f"{code} {reason}".strip().encode(), sent=True)
            await self._flush()
        async with asyncio.timeout(timeout):
            while not self._ended:
                await self._pump()
        return self._closed()

    def vanish(self) -> None:
        """End the connection without a close frame."""
        self._ended = True
        self._stream.note("vanish", sent=True)
        self._stream.writer.transport.abort()

    def _closed(self) -> ClosedError:
        close = self._protocol.close_rcvd
        return (
            ClosedError(close.code, close.reason)
            if close
            else ClosedError(CloseCode.ABNORMAL_CLOSURE)
        )

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                await self._stream.write(data)

    async def _pump(self) -> None:
        """Read once, and take in what came."""
        data = await self._stream.read()
        if data:
            self._protocol.receive_data(data)
        else:
            self._ended = True
            self._stream.note("end")
            self._protocol.receive_eof()
        await self._flush()  # pongs and the answer to a close
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)

    def _take(self, frame: Frame) -> None:
        payload = bytes(frame.data)
        kind = frame.opcode.name.lower() + ("" if frame.fin else " …")
        match frame.opcode:
            case Opcode.CLOSE:
                self._ended = True
                closed = self._closed()
                payload = f"{closed.code} {closed.reason}".strip().encode()
            case Opcode.PONG:
                self._received.append(Pong(payload))
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                self._fragments.append(frame)
                if frame.fin:
                    message = b"".join(bytes(fragment.data) for fragment in self._fragments)
                    is_text = self._fragments[0].opcode is Opcode.TEXT
                    self._received.append(
                        message.decode(errors="backslashreplace") if is_text else message
                    )
                    self._fragments.clear()
        self._stream.note(kind, payload)

    async def _shake_hands(self, headers: Iterable[Header]) -> None:
        request = self._protocol.connect()
        for name, value in headers:
            request.headers[name] = value
        self._protocol.send_request(request)
        self._stream.note("handshake", request.serialize(), sent=True)
        await self._flush()
        response: HandshakeResponse | None = None
        while response is None:
            data = await self._stream.read()
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            for event in self._protocol.events_received():
                if isinstance(event, HandshakeResponse):
                    response = event
                    self._stream.note("handshake", response.serialize())
                elif isinstance(event, Frame):
                    self._take(event)
            if not data and response is None:
                raise ClosedError(CloseCode.ABNORMAL_CLOSURE)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            raise RefusedError(response.status_code)
        if isinstance(self._protocol.handshake_exc, InvalidHandshake):
            raise self._protocol.handshake_exc


@asynccontextmanager
async def websocket(  # noqa: PLR0913 # a handshake has as many parts
    url: str,
    *,
    origin: str | None = None,
    subprotocols: Sequence[str] = (),
    compression: bool = False,
    headers: Iterable[Header] = (),
    trace: Trace | None = None,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 # the caller's words
) -> AsyncIterator[WebSocket]:
    """Open a WebSocket; close it with 1000 at the end, unless something went wrong.

    Raises RefusedError, TimeoutError, OSError.
    """
    async with _open(url, trace) as stream:
        protocol = ClientProtocol(
            parse_uri("ws" + url.removeprefix("http") if url.startswith("http") else url),
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            extensions=[ClientPerMessageDeflateFactory()] if compression else None,
            max_size=None,
        )
        connection = WebSocket(stream, protocol)
        async with asyncio.timeout(timeout):
            await connection._shake_hands(headers)  # noqa: SLF001 # ours
        yield connection
        with suppress(TimeoutError):
            await connection.close(timeout=1)


# HTTP


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: int
    headers: list[Header]
    """Names in lower case."""
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name.lower())


class HttpConnection:
    """A kept-alive HTTP/1.1 connection."""

    def __init__(self, stream: _Stream, host: str) -> None:
        self._stream = stream
        self._host = host
        self._protocol = h11.Connection(h11.CLIENT)

    @property
    def is_reusable(self) -> bool:
        return self._protocol.our_state is h11.IDLE

    @property
    def local_address(self) -> str:
        return self._stream.local_address

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Iterable[Header] = (),
        body: bytes | Sequence[bytes] = b"",
        timeout: float = TIMEOUT,  # noqa: ASYNC109 # the caller's words
    ) -> Response:
        """Send a request, its body chunked where it is a sequence; return the response.

        Raises ClosedError where the connection ends before the response does, TimeoutError.
        """
        all_headers = [("Host", self._host), *headers]
        if not isinstance(body, bytes):
            all_headers.append(("Transfer-Encoding", "chunked"))
        elif body or method not in ("GET", "HEAD"):
            all_headers.append(("Content-Length", str(len(body))))
        chunks = [body] if isinstance(body, bytes) else body
        async with asyncio.timeout(timeout):
            # A server may answer, and close, before it has read the whole of a body.
            sending = asyncio.create_task(self._send(method, target, all_headers, chunks))
            try:
                return await self._receive()
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError):
                    await sending

    async def _send(
        self, method: str, target: str, headers: list[Header], chunks: Sequence[bytes]
    ) -> None:
        head = self._protocol.send(h11.Request(method=method, target=target, headers=headers))
        self._stream.note("request", head or b"", sent=True)
        await self._stream.write(head or b"")
        for chunk in filter(None, chunks):
            self._stream.note("body", chunk, sent=True)
            await self._stream.write(self._protocol.send(h11.Data(data=chunk)) or b"")
        await self._stream.write(self._protocol.send(h11.EndOfMessage()) or b"")

    async def _receive(self) -> Response:
        head: h11.Response | None = None
        body = bytearray()
        while True:
            match await self._next_event():
                case h11.Response() as head:
                    lines = [b"%d %s" % (head.status_code, head.reason)]
                    lines += [name + b": " + value for name, value in head.headers]
                    self._stream.note("response", b"\r\n".join(lines))
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage() if head is not None:
                    break
                case h11.ConnectionClosed():
                    raise ClosedError(CloseCode.ABNORMAL_CLOSURE)
        if body:
            self._stream.note("body", bytes(body))
        if self._protocol.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            self._protocol.start_next_cycle()
        headers = [(name.decode(), value.decode("latin-1")) for name, value in head.headers]
        return Response(head.status_code, headers, bytes(body))

    async def _next_event(self) -> Any:
        try:
            while (event := self._protocol.next_event()) is h11.NEED_DATA:
                data = await self._stream.read()
                if not data:
                    self._stream.note("end")
                self._protocol.receive_data(data)
        except h11.RemoteProtocolError as error:  # such as the end of the stream
            raise ClosedError(CloseCode.ABNORMAL_CLOSURE, str(error)) from error
        return event


@asynccontextmanager
async def http_connection(url: str, *, trace: Trace | None = None) -> AsyncIterator[HttpConnection]:
    """Open a connection for any number of requests. Raises OSError."""
    async with _open(url, trace) as stream:
        yield HttpConnection(stream, urlsplit(url).netloc)


async def http(  # noqa: PLR0913 # a request has as many parts
    method: str,
    url: str,
    *,
    headers: Iterable[Header] = (),
    body: bytes | Sequence[bytes] = b"",
    trace: Trace | None = None,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 # the caller's words
) -> Response:
    """Make one request on a connection of its own."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    async with http_connection(url, trace=trace) as connection:
        return await connection.request(method, target, headers=headers, body=body, timeout=timeout)


class EventStream:
    """Server-sent events, as they come."""

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self._received = b""

    async def receive(self, timeout: float = TIMEOUT) -> str:  # noqa: ASYNC109 # the caller's words
        """Return the data of the next event. Raises ClosedError, TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                block = await self._next_block()
                if block.startswith("data: "):  # and not a comment
                    self._connection._stream.note("event", block.encode())  # noqa: SLF001 # ours
                    return block.removeprefix("data: ")

    def vanish(self) -> None:
        """End the connection in the middle of the response."""
        self._connection._stream.writer.transport.abort()  # noqa: SLF001 # ours

    async def _next_block(self) -> str:
        while b"\n\n" not in self._received:
            match await self._connection._next_event():  # noqa: SLF001 # ours
                case h11.Response(status_code=status) if status != HTTPStatus.OK:
                    raise RefusedError(status)
                case h11.Data(data=data):
                    self._received += data
                case h11.EndOfMessage() | h11.ConnectionClosed():
                    raise ClosedError(CloseCode.NORMAL_CLOSURE)
        block, _, self._received = self._received.partition(b"\n\n")
        return block.decode()


@asynccontextmanager
async def event_stream(url: str, *, trace: Trace | None = None) -> AsyncIterator[EventStream]:
    """Follow a URL that sends events, from its first word on, and leave in the middle.

    Raises RefusedError, ClosedError, TimeoutError, OSError.
    """
    parts = urlsplit(url)
    async with http_connection(url, trace=trace) as connection:
        headers = [("Host", parts.netloc), ("Accept", "text/event-stream")]
        await connection._send("GET", parts.path, headers, ())  # noqa: SLF001 # ours
        stream = EventStream(connection)
        async with asyncio.timeout(TIMEOUT):
            await stream._next_block()  # noqa: SLF001 # ours
        yield stream
