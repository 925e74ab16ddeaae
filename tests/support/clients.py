"""The members of tests/rooms/members.py over real sockets."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from sandbox.wire import (
    ClosedError,
    EventStream,
    Response,
    WebSocket,
    event_stream,
    http,
    websocket,
)
from tests.support.members import PATIENCE, SLUGS, exhibit


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
        self.stream: EventStream
        self.told = ""

    async def join(self) -> None:
        if self.is_http:
            self.stream = await self.stack.enter_async_context(event_stream(self.url + self.path))
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
        source = self.stream if self.is_http else self.socket
        return str(await source.receive(timeout=patience))

    async def hear_refusal(self) -> str:
        """What this member alone is told about its last request."""
        return self.told if self.is_http else await self.hear()

    async def leave(self) -> None:
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
