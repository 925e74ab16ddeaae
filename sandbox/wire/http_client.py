"""An HTTP/1.1 client that records the bytes of its requests, and reads while it still sends.

    response = await http("POST", "http://127.0.0.1:8000/echo/async-http/", body=b'{"message": 1}')

Under it is h11, and not a whole client such as httpcore: that one reads only when it has sent the
whole body, so it loses the answer of a server that refuses a long body at its beginning.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import h11
from websockets.frames import CloseCode

from sandbox.wire.stream import TIMEOUT, ClosedError, Header, Stream, open_stream
from sandbox.wire.trace import Trace


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: int
    headers: list[Header]
    """Names in lower case."""
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name.lower())


class HttpConnection:
    """A kept-alive HTTP/1.1 connection."""

    def __init__(self, stream: Stream, host: str) -> None:
        self.stream = stream
        self._host = host
        self._protocol = h11.Connection(h11.CLIENT)

    @property
    def is_reusable(self) -> bool:
        return self._protocol.our_state is h11.IDLE

    @property
    def local_address(self) -> str:
        return self.stream.local_address

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Iterable[Header] = (),
        body: bytes | Sequence[bytes] = b"",
        timeout: float = TIMEOUT,  # noqa: ASYNC109 # a caller changes the default
    ) -> Response:
        """Send a request, its body chunked where it is a sequence; return the response.

        Raises ClosedError where the connection ends before the response does, TimeoutError.
        """
        async with asyncio.timeout(timeout):
            # A server may answer, and close, before it has read the whole of a body.
            sending = asyncio.create_task(self.send(method, target, headers=headers, body=body))
            try:
                return await self._receive()
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError):
                    await sending

    async def send(
        self,
        method: str,
        target: str,
        *,
        headers: Iterable[Header] = (),
        body: bytes | Sequence[bytes] = b"",
    ) -> None:
        """Send a request, and wait for nothing."""
        all_headers = list(headers)
        if not any(name.lower() == "host" for name, _ in all_headers):
            all_headers.insert(0, ("Host", self._host))
        if not isinstance(body, bytes):
            all_headers.append(("Transfer-Encoding", "chunked"))
        elif body or method not in ("GET", "HEAD"):
            all_headers.append(("Content-Length", str(len(body))))
        head = self._protocol.send(h11.Request(method=method, target=target, headers=all_headers))
        self.stream.record("request", head or b"", sent=True)
        await self.stream.write(head or b"")
        for chunk in filter(None, [body] if isinstance(body, bytes) else body):
            self.stream.record("body", chunk, sent=True)
            await self.stream.write(self._protocol.send(h11.Data(data=chunk)) or b"")
        await self.stream.write(self._protocol.send(h11.EndOfMessage()) or b"")

    def vanish(self) -> None:
        """End the connection, whatever is still to come."""
        self.stream.record("vanish", sent=True)
        self.stream.abort()

    async def receive_head(self) -> Response:
        """Return a response whose body is still to come. Raises ClosedError."""
        while not isinstance(head := await self._next_event(), h11.Response):
            if isinstance(head, h11.ConnectionClosed):
                raise ClosedError(CloseCode.ABNORMAL_CLOSURE)
        lines = [b"%d %s" % (head.status_code, head.reason)]
        lines += [name + b": " + value for name, value in head.headers]
        self.stream.record("response", b"\r\n".join(lines))
        headers = [(name.decode(), value.decode("latin-1")) for name, value in head.headers]
        return Response(head.status_code, headers)

    async def receive_data(self) -> bytes:
        """Return the next piece of the body, empty at its end. Raises ClosedError."""
        event = await self._next_event()
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    async def _receive(self) -> Response:
        head = await self.receive_head()
        body = bytearray()
        while data := await self.receive_data():
            body += data
        if body:
            self.stream.record("body", bytes(body))
        if self._protocol.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            self._protocol.start_next_cycle()
        return Response(head.status, head.headers, bytes(body))

    async def _next_event(self) -> Any:
        try:
            while (event := self._protocol.next_event()) is h11.NEED_DATA:
                data = await self.stream.read()
                if not data:
                    self.stream.record("end")
                self._protocol.receive_data(data)
        except h11.RemoteProtocolError as error:  # such as the end of the stream
            raise ClosedError(CloseCode.ABNORMAL_CLOSURE, str(error)) from error
        return event


@asynccontextmanager
async def http_connection(url: str, *, trace: Trace | None = None) -> AsyncIterator[HttpConnection]:
    """Open a connection for any number of requests. Raises OSError."""
    async with open_stream(url, trace) as stream:
        yield HttpConnection(stream, urlsplit(url).netloc)


async def http(  # noqa: PLR0913 # a request has as many parts
    method: str,
    url: str,
    *,
    headers: Iterable[Header] = (),
    body: bytes | Sequence[bytes] = b"",
    trace: Trace | None = None,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 # a caller changes the default
) -> Response:
    """Make one request on a connection of its own. Raises ClosedError, TimeoutError, OSError."""
    async with http_connection(url, trace=trace) as connection:
        return await connection.request(
            method, target_of(url), headers=headers, body=body, timeout=timeout
        )


def target_of(url: str) -> str:
    """Return the path and the query of a URL, as they stand in a request's first line."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
