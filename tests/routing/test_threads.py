"""The threads of a real server: how many idle sockets hold, and who waits when all are blocked."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import psutil
import pytest
from django.conf import settings

from sandbox.processes.servers import Server, installed, serve
from sandbox.wire import WebSocket, websocket
from sandbox.wire.stream import open_stream

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]

TIMEOUT = 60.0
AT_ONCE = 40
"""Clients that connect at the same time: Daphne's queue of new connections has 50 places."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(environment={"MAX_DELAY": "2", "LOG_LEVEL": "WARNING"}) as server:
        yield server


@asynccontextmanager
async def sockets(server: Server, count: int) -> AsyncIterator[list[WebSocket]]:
    """Connections to a sync consumer, each of which has echoed once."""
    url = f"{server.url}/echo/websocket/"
    async with AsyncExitStack() as stack:

        async def connect() -> WebSocket:
            connection = await stack.enter_async_context(websocket(url, timeout=TIMEOUT))
            await connection.send('{"message": 1}')
            assert await connection.receive(TIMEOUT) == '{"message":1}'
            return connection

        opened: list[WebSocket] = []
        for first in range(0, count, AT_ONCE):
            some = range(first, min(first + AT_ONCE, count))
            opened += await asyncio.gather(*(connect() for _ in some))
        yield opened


async def test_a_thousand_idle_sockets_hold_no_thread(server: Server) -> None:
    """A thousand sockets of a sync consumer need no more threads than there are, then or later."""
    process = psutil.Process(server.process.pid)
    async with sockets(server, 1000):
        assert process.num_threads() <= settings.SYNC_THREADS + 5
    async with sockets(server, 1):
        assert process.num_threads() <= settings.SYNC_THREADS + 5
    assert "Traceback" not in server.log()


async def test_who_waits_for_a_thread_is_answered_and_logged(server: Server) -> None:
    """When twice as many block as there are threads, half of them wait, and the log says so."""
    async with sockets(server, 2 * settings.SYNC_THREADS) as blocked:
        for one in blocked:
            await one.send('{"message": 2, "delay": 2}')
        replies = await asyncio.gather(*(one.receive(TIMEOUT) for one in blocked))
    assert replies == ['{"message":2}'] * len(blocked)
    assert re.search(r"/echo/websocket/ waited \S+ s for a thread", server.log())


@pytest.mark.skipif("uvicorn" not in installed(), reason="Uvicorn is not installed.")
async def test_on_a_connection_that_had_another_request_stock_answers() -> None:
    """A request that Uvicorn begins in the context of an isolated one is answered all the same."""
    body = b'{"message":"hi"}'

    def head(path: str) -> bytes:
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()

    with serve("uvicorn", environment={"LOG_LEVEL": "WARNING"}) as server:
        async with open_stream(server.url, None) as stream:
            await stream.write(head("/echo/async-http/") + body + head("/stock/async-http/"))
            heard = b""
            while heard.count(body) < 2:
                part = await asyncio.wait_for(stream.read(), TIMEOUT)
                assert part, heard
                heard += part
                if heard.endswith(body) and heard.count(body) == 1:
                    await asyncio.sleep(0.1)  # the first request is over
                    await stream.write(body)
        assert "Traceback" not in server.log()
    assert heard.count(b"HTTP/1.1 200 OK") == 2
