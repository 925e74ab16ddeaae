"""The members of tests/rooms/members.py over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import pytest

from sandbox.compare.wire import ClosedError, Response, WebSocket, http, websocket
from tests.rooms.members import PATIENCE, SLUGS, exhibit


@asynccontextmanager
async def event_stream(url: str, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """Follow a room until the block ends: what ``curl -N`` does."""
    to = urlsplit(url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port)
    lines = (f"GET {path} HTTP/1.1", f"Host: {to.netloc}", "Accept: text/event-stream")
    writer.write("\r\n".join((*lines, "", "")).encode())
    try:
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"200 OK" in head, head
            await reader.readuntil(b": following\n\n")
        yield reader
    finally:
        writer.close()


async def post(url: str, room: str, text: str) -> Response:
    path = exhibit("async-http").url_in(room)
    return await http("POST", url + path, body=text.encode(), timeout=PATIENCE)


class Client:
    """One of the five types, in a room of a server."""

    def __init__(self, slug: str, room: str, url: str) -> None:
        self.slug = slug
        self.room = room
        self.url = url
        self.is_http = slug == "async-http"
        self.path = exhibit(slug).url_in(room)
        self.stack = AsyncExitStack()
        self.socket: WebSocket
        self.stream: asyncio.StreamReader
        self.told = ""

    async def join(self) -> None:
        if self.is_http:
            self.stream = await self.stack.enter_async_context(event_stream(self.url, self.path))
        else:
            self.socket = await self.stack.enter_async_context(
                websocket(self.url + self.path, timeout=PATIENCE)
            )

    async def send(self, text: str) -> None:
        if self.is_http:
            self.told = (await post(self.url, self.room, text)).body.decode()
        else:
            await self.socket.send(text)

    async def hear(self, patience: float = PATIENCE) -> str:
        """The next message; what ends the connection is raised."""
        if not self.is_http:
            return str(await self.socket.receive(timeout=patience))
        async with asyncio.timeout(patience):
            event = b""
            while not event.startswith(b"data: "):  # but a chunk's size, or a comment
                event = await self.stream.readline()
            return event.decode().removeprefix("data: ").removesuffix("\n")

    async def hear_refusal(self) -> str:
        """What this member alone is told about its last request."""
        return self.told if self.is_http else await self.hear()

    async def leave(self) -> None:
        await self.stack.aclose()

    async def drop(self) -> None:
        """Vanish without a close."""
        if not self.is_http:
            self.socket.vanish()
        await self.stack.aclose()


@asynccontextmanager
async def clients(room: str, *urls: str) -> AsyncIterator[list[Client]]:
    """One member of each type on each server, who leave in the end."""
    present = [Client(slug, room, url) for url in urls for slug in SLUGS]
    for client in present:
        await client.join()
    try:
        yield present
    finally:
        for client in present:
            await client.leave()


async def turned_away(slug: str, room: str, url: str) -> tuple[str, int]:
    """What a member is told that cannot join now, and with which code it is closed."""
    client = Client(slug, room, url)
    await client.join()
    heard = await client.hear()
    with pytest.raises(ClosedError) as closed:
        await client.hear()
    await client.leave()
    return heard, closed.value.code
