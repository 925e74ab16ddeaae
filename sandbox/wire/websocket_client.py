"""A WebSocket client that shows every frame, and sends those that a client library would refuse.

async with websocket("ws://127.0.0.1:8000/echo/websocket/") as connection:
    await connection.send('{"message": "hi"}')
    reply = await connection.receive()
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from ssl import SSLContext
from typing import NamedTuple

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from sandbox.wire.stream import TIMEOUT, ClosedError, Header, RefusedError, Stream, open_stream
from sandbox.wire.trace import Trace


class Pong(NamedTuple):
    """The answer to a ping."""

    payload: bytes


class UncheckedFrame(Frame):
    """A frame that may break the rules, as those of a faulty client do."""

    def check(self) -> None:
        pass


class WebSocket:
    """A WebSocket; ``websocket`` opens one."""

    def __init__(self, stream: Stream, protocol: ClientProtocol) -> None:
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

    async def shake_hands(self, headers: Iterable[Header], early: str | None = None) -> None:
        """Send the handshake with these headers added, a Host instead of its own.

        A text message ``early`` is in the same write. Raises RefusedError, ClosedError,
        InvalidHandshake.
        """
        request = self._protocol.connect()
        _add(headers, request.headers)
        self._protocol.send_request(request)
        self._stream.record("handshake", request.serialize(), sent=True)
        first = b"".join(self._protocol.data_to_send())
        if early is not None:
            self._stream.record("text", early.encode(), sent=True)
            first += Frame(Opcode.TEXT, early.encode()).serialize(mask=True)
        await self._stream.write(first)
        response = await self._response()
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            location = response.headers.get("Location")
            raise RefusedError(response.status_code, self.local_address, location)
        if isinstance(self._protocol.handshake_exc, InvalidHandshake):
            raise self._protocol.handshake_exc

    async def _response(self) -> Response:
        response: Response | None = None
        while response is None:
            data = await self._stream.read()
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            for event in self._protocol.events_received():
                if isinstance(event, Response):
                    response = event
                    self._stream.record("handshake", response.serialize())
                elif isinstance(event, Frame):
                    self._receive_frame(event)
            broken = self._protocol.handshake_exc
            if data and response is None and isinstance(broken, InvalidHandshake):
                raise broken  # it does not even speak HTTP
            if not data and response is None:
                raise ClosedError(CloseCode.ABNORMAL_CLOSURE)
        return response

    async def send(self, message: str | bytes) -> None:
        """Send one message, text or binary, in one frame."""
        if isinstance(message, str):
            await self.send_frame(Opcode.TEXT, message.encode())
        else:
            await self.send_frame(Opcode.BINARY, message)

    async def send_frame(self, opcode: Opcode, payload: bytes, *, fin: bool = True) -> None:
        """Send any frame, allowed or not."""
        self._stream.record(_kind(opcode, fin=fin), payload, sent=True)
        await self._stream.write(UncheckedFrame(opcode, payload, fin).serialize(mask=True))

    async def receive(self, timeout: float = TIMEOUT) -> str | bytes | Pong:  # noqa: ASYNC109 # a caller changes the default
        """Return the next message or pong. Raises ClosedError, TimeoutError."""
        async with asyncio.timeout(timeout):
            while not self._received:
                if self._ended:
                    raise self._closed()
                await self._read()
        return self._received.pop(0)

    async def close(
        self,
        code: int = 1000,
        reason: str = "",
        timeout: float = TIMEOUT,  # noqa: ASYNC109 # a caller changes the default
    ) -> ClosedError:
        """Perform the closing handshake; return what the server answered. Raises TimeoutError."""
        if self._protocol.close_sent is None and not self._ended:
            self._protocol.send_close(code, reason)
            self._stream.record("close", f"{code} {reason}".strip().encode(), sent=True)
            await self._flush()
        async with asyncio.timeout(timeout):
            while not self._ended:
                await self._read()
        return self._closed()

    def vanish(self) -> None:
        """End the connection without a close frame."""
        self._ended = True
        self._stream.record("vanish", sent=True)
        self._stream.abort()

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

    async def _read(self) -> None:
        """Read once, and handle what came."""
        data = await self._stream.read()
        if data:
            self._protocol.receive_data(data)
        else:
            self._ended = True
            self._stream.record("end")
            self._protocol.receive_eof()
        await self._flush()  # pongs and the answer to a close
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._receive_frame(event)

    def _receive_frame(self, frame: Frame) -> None:
        payload = bytes(frame.data)
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
        self._stream.record(_kind(frame.opcode, fin=frame.fin), payload)


def _add(headers: Iterable[Header], handshake: Headers) -> None:
    for name, value in headers:
        if name.lower() == "host":
            del handshake[name]
        handshake[name] = value  # adds one, also if there is one of that name


def _kind(opcode: Opcode, *, fin: bool) -> str:
    return opcode.name.lower() + ("" if fin else " …")


@asynccontextmanager
async def websocket(  # noqa: PLR0913 # a handshake has as many parts
    url: str,
    *,
    origin: str | None = None,
    subprotocols: Sequence[str] = (),
    compression: bool = False,
    headers: Iterable[Header] = (),
    early: str | None = None,
    trace: Trace | None = None,
    tls: SSLContext | None = None,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 # a caller changes the default
) -> AsyncIterator[WebSocket]:
    """Open a WebSocket; close it with 1000 at the end, unless something went wrong.

    ``early`` is a text message that is sent right behind the handshake, which RFC 6455 forbids.
    Raises RefusedError, ClosedError, InvalidHandshake, TimeoutError, OSError.
    """
    async with open_stream(url, trace, tls) as stream:
        protocol = ClientProtocol(
            parse_uri("ws" + url.removeprefix("http") if url.startswith("http") else url),
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            extensions=[ClientPerMessageDeflateFactory()] if compression else None,
            max_size=None,
        )
        connection = WebSocket(stream, protocol)
        async with asyncio.timeout(timeout):
            await connection.shake_hands(headers, early)
        yield connection
        with suppress(TimeoutError):
            await connection.close(timeout=1)
