"""The HTTP client, against a real server, and against servers that answer in their own time."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sandbox.processes.servers import Server
from sandbox.wire import ClosedError, http, http_connection

pytestmark = pytest.mark.asyncio

TWELVE_MEGABYTES = [b"x" * 65_536] * 192
"""More than the buffers between a client and a server hold."""


async def test_http_requests_share_a_connection(daphne: Server) -> None:
    """A connection serves several requests, with whole and with chunked bodies."""
    async with http_connection(daphne.url) as connection:
        for body in (b'{"message":"hi"}', [b'{"mess', b'age":"hi"}']):
            response = await connection.request("POST", "/echo/async-http/", body=body)
            assert (response.status, response.body) == (200, b'{"message":"hi"}')
            assert response.header("Content-Type") == "application/json"


async def test_a_head_request_has_no_body(daphne: Server) -> None:
    """The length that HEAD announces is not waited for."""
    response = await http("HEAD", f"{daphne.url}/echo/async-http/?message=hi")
    assert (response.status, response.header("content-length"), response.body) == (200, "16", b"")


@asynccontextmanager
async def answering(response: bytes, *, close: bool) -> AsyncIterator[str]:
    """Serve one response to all that ask, as soon as the head of a request has come."""

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await writer.drain()
        if not close:
            await released.wait()
        writer.close()

    released = asyncio.Event()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        released.set()


@pytest.mark.parametrize("close", [False, True], ids=["goes on", "closes"])
async def test_an_answer_to_half_a_body_is_received(close: bool) -> None:
    """A server may answer a long body at its beginning, and read no more of it."""
    async with answering(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", close=close) as url:
        response = await http("POST", url, body=TWELVE_MEGABYTES, timeout=10)
    assert (response.status, response.body) == (413, b"no")


@pytest.mark.parametrize("response", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_half_a_response_is_an_error(response: bytes) -> None:
    """A connection that ends before the response does raises ClosedError, with 1006."""
    async with answering(response, close=True) as url:
        with pytest.raises(ClosedError) as closed:
            await http("GET", url)
    assert closed.value.code == 1006
