"""What the members of a room cannot do to each other, nor to other connections."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest

from consumers.catalogue import exhibits
from sandbox.processes.servers import Server, serve
from sandbox.wire import http, websocket
from tests.support.asgi import TIMEOUT
from tests.support.clients import clients, post
from tests.support.members import exhibit

pytestmark = pytest.mark.asyncio

SIXTY_KILOBYTES = "x" * 60_000
MESSAGES = 120
"""Of 60 kB each: more than the buffers between a server and a client hold."""


@contextmanager
def unread_member(slug: str, room: str, server: Server) -> Iterator[socket.socket]:
    """Join, and read nothing from the socket."""
    with socket.socket() as unread:
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.connect(("127.0.0.1", server.port))
        head = f"GET {exhibit(slug).url_in(room)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if exhibit(slug).protocol == "http":
            head += "Accept: text/event-stream\r\n\r\n"
        else:
            head += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            head += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        unread.sendall(head.encode())
        assert unread.recv(12) in (b"HTTP/1.1 101", b"HTTP/1.1 200")
        yield unread


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
async def test_a_member_that_never_reads_delays_no_other(name: str) -> None:
    """All others receive every message, whether the server buffers without end or waits."""
    with (
        serve(name) as server,
        unread_member("websocket", "busy", server),
        unread_member("async-websocket", "busy", server),
        unread_member("async-http", "busy", server),
    ):
        async with clients("busy", server.url) as everyone:
            for number in range(MESSAGES):
                said = await post(server.url, "busy", f'{{"message":"{number}{SIXTY_KILOBYTES}"}}')
                assert said.status == 202
                for member in everyone:
                    assert (await member.hear()).startswith(f'{{"message":"{number}x')


async def test_a_busy_room_delays_no_echo() -> None:
    """While every member of a room waits for a delay, each echo is answered."""
    with serve(environment={"MAX_DELAY": "4"}) as server:
        async with AsyncExitStack() as stack:
            everyone = await stack.enter_async_context(clients("waiting", server.url))
            echoes = list(exhibits("echo"))
            sending = [
                asyncio.create_task(member.send('{"message": "slow", "delay": 4}'))
                for member in everyone
            ]
            hearing = asyncio.create_task(everyone[0].hear())
            for echo in echoes:
                if echo.protocol == "websocket":
                    connection = await stack.enter_async_context(websocket(server.url + echo.url))
                    await connection.send('{"message": 1}')
                    assert await connection.receive(timeout=TIMEOUT) == '{"message":1}'
                else:
                    answered = await http("GET", f"{server.url}{echo.url}?message=1")
                    assert answered.status == 200
            assert not hearing.done()
            await asyncio.gather(hearing, *sending)
            for _ in everyone[1:]:
                await everyone[0].hear()
