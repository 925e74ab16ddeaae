"""Responses as they stand in a stream of bytes."""

import asyncio

import h11
import pytest

from sandbox.wire.raw_http import read_all, responses_in
from sandbox.wire.stream import open_stream

TWO = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    b"HTTP/1.1 500 Error\r\n\r\nto the end"
)


def test_each_response_is_found() -> None:
    """Responses are separated by their lengths, 100 Continue included; the last may lack one."""
    assert list(responses_in(TWO)) == [(100, b""), (200, b"hi"), (400, b"x"), (500, b"to the end")]
    assert list(responses_in(b"")) == []


def test_what_is_no_response_is_an_error() -> None:
    """Bytes that are no HTTP raise, and are not taken for silence."""
    with pytest.raises(h11.RemoteProtocolError):
        list(responses_in(b"\x00\x01garbage\r\n\r\n"))


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "stays"])
def test_an_end_and_a_silence_differ(*, ends: bool) -> None:
    """All bytes are returned, with whether the server ended the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hi")
        if not ends:
            await reader.read()
        writer.close()

    async def ask() -> tuple[bytes, bool]:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with open_stream(f"http://127.0.0.1:{port}", None) as stream:
                return await read_all(stream, 5 if ends else 0.3)

    assert asyncio.run(ask()) == (b"hi", ends)
