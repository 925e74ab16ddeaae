"""A TCP or TLS connection that is recorded in a trace, and how it may fail."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from urllib.parse import urlsplit

from sandbox.mqtt import url as mqtt_url
from sandbox.wire.trace import Trace

TIMEOUT = 30.0
"""Seconds that every client waits unless its caller says otherwise."""
READ_BYTES = 256 * 1024
PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, **mqtt_url.PORTS}
SECURE = ("https", "wss", "mqtts")

Header = tuple[str, str]


class RefusedError(Exception):
    """The server answered with another status than the one that opens what was asked for."""

    def __init__(self, status: int, local_address: str = "", location: str | None = None) -> None:
        super().__init__(f"refused with status {status}")
        self.status = status
        self.local_address = local_address
        """What the server called its client, as ``host:port``."""
        self.location = location
        """Where it redirects to."""


class ClosedError(Exception):
    """The server ended the connection: 1005 is a close without a code, 1006 no close at all."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with {code} {reason}".strip())
        self.code = code
        self.reason = reason


class Stream:
    """An open connection; ``open_stream`` makes one."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trace: Trace | None
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._trace = trace
        self._number = 0
        if trace is not None:
            trace.connections += 1
            self._number = trace.connections

    @property
    def local_address(self) -> str:
        """What the server calls its client, as ``host:port``."""
        host, port, *_ = self._writer.get_extra_info("sockname")
        return f"{host}:{port}"

    def record(self, kind: str, payload: bytes = b"", *, sent: bool = False) -> None:
        if self._trace is not None:
            self._trace.add(self._number, sent=sent, kind=kind, payload=payload)

    async def write(self, data: bytes) -> None:
        # The next read shows that the connection is gone, and what came before that.
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def read(self) -> bytes:
        """Return what has come; empty at the end of the stream, however it ended."""
        try:
            return await self._reader.read(READ_BYTES)
        except ConnectionError:
            return b""

    def half_close(self) -> None:
        """Send nothing more, and go on reading."""
        with suppress(OSError):  # the server has ended the connection
            self._writer.write_eof()

    def abort(self) -> None:
        """End the connection at once, without a close of any protocol."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """End the connection with RST, as a client does that has crashed."""
        # On for no time at all: what is unsent is thrown away.
        with suppress(OSError):
            self._writer.get_extra_info("socket").setsockopt(
                SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)
            )
        self.abort()

    async def wait_closed(self) -> None:
        with suppress(OSError):
            await self._writer.wait_closed()


@asynccontextmanager
async def open_stream(
    url: str, trace: Trace | None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Stream]:
    """Connect to the host and port of a URL; over TLS for https, wss and mqtts. Raises OSError.

    ``tls`` says which certificates are trusted; without it, those that the system trusts are.
    """
    parts = urlsplit(url)
    secure = parts.scheme in SECURE
    try:
        ends = await asyncio.open_connection(
            parts.hostname,
            parts.port or PORTS[parts.scheme],
            ssl=(tls or ssl.create_default_context()) if secure else None,
        )
    except UnicodeError as error:  # such as a..b, or a label of more than 63 characters
        raise OSError(f"{parts.hostname!r} is not a host name") from error
    stream = Stream(*ends, trace)
    try:
        yield stream
    finally:
        stream.abort()
        await stream.wait_closed()
