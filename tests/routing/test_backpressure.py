"""Clients that do not read, or send faster than they are answered: they wait, on every server."""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from websockets.frames import Frame, Opcode

from consumers.catalogue import CATALOGUE
from sandbox.processes.server_log import ServerLog
from sandbox.processes.servers import Server, installed, serve
from sandbox.wire import WebSocket, event_stream, http_connection, websocket
from tests.consumers.test_rooms_neighbours import unread_member
from tests.routing.test_ending import handshake
from tests.support.asgi import TIMEOUT

ECHOES = [
    one.url
    for one in CATALOGUE
    if one.protocol == "websocket"
    and one.edition.is_echo
    and one.edition.keeps_contract
    and one.edition.isolated
]
BIG = '{"message":"' + "x" * 50_000 + '"}'
SLOW = '{"message":"' + "x" * 1_000 + '","delay":1}'
BUFFERS = 40_000_000
"""Bytes: more than the system and the server hold between a client and a consumer."""


@pytest.fixture(scope="module", params=installed())
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serve(request.param, environment={"LOG_LEVEL": "INFO"}) as server:
        yield server


@pytest.mark.parametrize("message", [BIG, SLOW], ids=["big", "slow"])
def test_a_client_that_never_reads_cannot_send_without_end(message: str, server: Server) -> None:
    """The server stops reading from it before it has taken a fixed amount."""
    frame = Frame(Opcode.TEXT, message.encode()).serialize(mask=True) * 20

    def flood(url: str) -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
            connection.sendall(handshake(url))
            connection.recv(1024)
            connection.settimeout(1)
            sent = 0
            with suppress(TimeoutError):
                while sent < BUFFERS:
                    sent += connection.send(frame)
            assert sent < BUFFERS

    with ThreadPoolExecutor(len(ECHOES)) as threads:
        list(threads.map(flood, ECHOES))


@pytest.mark.asyncio
async def test_a_client_that_reads_again_gets_all_replies(server: Server) -> None:
    """What waited for a client comes in order as soon as it reads."""
    messages = [f'{{"message":"{number} {"x" * 50_000}"}}' for number in range(200)]

    async def send_all(connection: WebSocket) -> None:
        for message in messages:
            await connection.send(message)

    async def read_late(url: str) -> list[str]:
        async with websocket(server.url + url) as connection:
            sending = asyncio.create_task(send_all(connection))
            await asyncio.wait([sending], timeout=0.3)
            replies = [str(await connection.receive(TIMEOUT)) for _ in messages]
            await sending
            return replies

    for replies in await asyncio.gather(*map(read_late, ECHOES)):
        assert replies == messages


@pytest.mark.parametrize("slug", ["websocket", "async-websocket", "async-http"])
@pytest.mark.asyncio
async def test_a_member_that_never_reads_loses_what_exceeds_the_capacity(
    slug: str, server: Server
) -> None:
    """Some 500 messages wait for it, the others are dropped and logged."""
    body = f'{{"message":"{"x" * 60_000}"}}'.encode()
    with unread_member(slug, slug, server) as member:
        async with http_connection(server.url) as connection:
            for _ in range(700):
                await connection.request("POST", f"/rooms/{slug}/async-http/", body=body)
        assert 500 <= await asyncio.to_thread(count_messages, member) < 700
    assert "over capacity" in server.log()


@pytest.mark.asyncio
async def test_a_member_that_never_reads_and_breaks_the_rules_is_ended(server: Server) -> None:
    """A frame that RFC 6455 forbids ends the connection of which messages still wait."""
    body = f'{{"message":"{"x" * 60_000}"}}'.encode()
    forbidden = Frame(Opcode.TEXT, b"\xff").serialize(mask=True)
    with closing(ServerLog(server.log_file)) as log:
        for slug in ("websocket", "async-websocket"):
            with unread_member(slug, "forbidden", server) as member:
                async with http_connection(server.url) as connection:
                    for _ in range(300):
                        await connection.request("POST", "/rooms/forbidden/async-http/", body=body)
                member.sendall(forbidden)
                await asyncio.sleep(0.5)
        async with asyncio.timeout(TIMEOUT):
            while any("/forbidden/" in one for one in log.unpaired()):
                await asyncio.sleep(0.1)


def count_messages(member: socket.socket) -> int:
    """Read until nothing more comes."""
    member.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
    member.settimeout(3)
    received = bytearray()
    with suppress(TimeoutError):
        while data := member.recv(2**20):
            received += data
    return received.count(b'{"message":"x')


@pytest.mark.asyncio
async def test_a_follower_that_reads_again_gets_every_event(server: Server) -> None:
    """An event stream that was not read for a while goes on where it stopped."""
    room = "later"
    async with (
        event_stream(f"{server.url}/rooms/{room}/async-http/") as stream,
        http_connection(server.url) as connection,
    ):
        expected = [f'{{"message":"{number} {"x" * 50_000}"}}' for number in range(200)]
        for message in expected:
            await connection.request("POST", f"/rooms/{room}/async-http/", body=message.encode())
        assert [await stream.receive(TIMEOUT) for _ in expected] == expected
