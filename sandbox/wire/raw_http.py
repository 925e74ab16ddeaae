"""Reading what a server sends back for HTTP that no client library would send."""

import asyncio
from collections.abc import Iterator

import h11

from sandbox.wire.stream import Stream


async def read_all(stream: Stream, quiet_seconds: float) -> tuple[bytes, bool]:
    """Read until the stream ends, or nothing more comes for so long; say whether it ended."""
    received = bytearray()
    try:
        while True:
            async with asyncio.timeout(quiet_seconds):
                data = await stream.read()
            if not data:
                break
            stream.record("bytes", data)
            received += data
    except TimeoutError:
        stream.record("nothing more")
        return bytes(received), False
    stream.record("end")
    return bytes(received), True


def responses_in(received: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the status and the body of each response, also of 100 Continue.

    Raises h11.RemoteProtocolError where the bytes are no responses.
    """
    while received:
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "server")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(received)
        connection.receive_data(b"")
        status, body = 0, bytearray()
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.InformationalResponse):
                yield event.status_code, b""
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            else:  # the end of the stream
                return
        yield status, bytes(body)
        received, _ = connection.trailing_data
