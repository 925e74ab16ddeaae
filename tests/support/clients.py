"""Members of a room over real sockets: the interface of tests/support/members.py."""

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
from tests.support.asgi import TIMEOUT
from tests.support.members import SLUGS, exhibit


async def post(url: str, room: str, text: str) -> Response:
    path = exhibit("async-http").url_in(room)
    return await http("POST", url + path, body=text.encode(), timeout=TIMEOUT)


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
        self.response = ""

    async def join(self) -> None:
        if self.is_http:
            self.stream = await self.stack.enter_async_context(event_stream(self.url + self.path))
        else:
            self.socket = await self.stack.enter_async_context(
                websocket(self.url + self.path, timeout=TIMEOUT)
            )

    async def send(self, text: str) -> None:
        if self.is_http:
            self.response = (await post(self.url, self.room, text)).body.decode()
        else:
            await self.socket.send(text)

    async def hear(self) -> str:
        """Return the next message. Raises ClosedError, TimeoutError."""
        source = self.stream if self.is_http else self.socket
        return str(await source.receive(timeout=TIMEOUT))

    async def hear_refusal(self) -> str:
        """Return the error that only this member gets for its last request."""
        return self.response if self.is_http else await self.hear()

    async def leave(self) -> None:
        await self.stack.aclose()


@asynccontextmanager
async def clients(room: str, *urls: str) -> AsyncIterator[list[Client]]:
    """One member of each type on each server, until the block ends."""
    present = [Client(slug, room, url) for url in urls for slug in SLUGS]
    for client in present:
        await client.join()
    try:
        yield present
    finally:
        for client in present:
            await client.leave()


async def refused(slug: str, room: str, url: str) -> tuple[str, int]:
    """Return the error for a member that cannot join now, and its close code."""
    client = Client(slug, room, url)
    await client.join()
    heard = await client.hear()
    with pytest.raises(ClosedError) as closed:
        await client.hear()
    await client.leave()
    return heard, closed.value.code
