"""A client of server-sent events, the ones that a browser's EventSource reads.

It is not httpx-sse, which hides the comment that opens a stream, and ends at the first timeout.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.frames import CloseCode

from sandbox.wire.http_client import HttpConnection, http_connection, target_of
from sandbox.wire.stream import TIMEOUT, ClosedError, Header, RefusedError
from sandbox.wire.trace import Trace

STREAM = ("Accept", "text/event-stream")


class EventStream:
    """Server-sent events, as they come; ``event_stream`` opens one."""

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self._received = b""

    async def receive(self, timeout: float = TIMEOUT) -> str:  # noqa: ASYNC109 # a caller changes the default
        """Return the data of the next event. Raises ClosedError, TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                block = await self.receive_block()
                lines = [line for line in block.split("\n") if line.startswith("data: ")]
                if lines:  # otherwise it is a comment
                    self._connection.stream.record("event", block.encode())
                    return "\n".join(line.removeprefix("data: ") for line in lines)

    async def receive_block(self) -> str:
        """Return what comes before the next empty line: an event or a comment."""
        while b"\n\n" not in self._received:
            data = await self._connection.receive_data()
            if not data:
                raise ClosedError(CloseCode.NORMAL_CLOSURE)
            self._received += data
        block, _, self._received = self._received.partition(b"\n\n")
        return block.decode(errors="backslashreplace")

    def vanish(self) -> None:
        """End the connection in the middle of the response."""
        self._connection.stream.abort()


@asynccontextmanager
async def event_stream(
    url: str, *, headers: Iterable[Header] = (), trace: Trace | None = None
) -> AsyncIterator[EventStream]:
    """Follow a URL that sends events, and leave in the middle.

    The stream is open once its first event or comment has come: from then on the server has made
    its subscription. Raises RefusedError, ClosedError, TimeoutError, OSError.
    """
    async with http_connection(url, trace=trace) as connection:
        stream = EventStream(connection)
        async with asyncio.timeout(TIMEOUT):
            await connection.send("GET", target_of(url), headers=[STREAM, *headers])
            response = await connection.receive_head()
            if response.status != HTTPStatus.OK:
                raise RefusedError(response.status)
            await stream.receive_block()
        yield stream
