"""Members of a room, in process: one interface to all five types."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from consumers.catalogue import CATALOGUE, Exhibit, exhibits
from tests.support.asgi import Connection

SLUGS = [exhibit.slug for exhibit in exhibits("rooms")]


def exhibit(slug: str) -> Exhibit:
    return next(one for one in CATALOGUE if one.id == f"rooms/{slug}")


async def request(
    room: str, method: str, body: bytes = b"", headers: dict[bytes, bytes] | None = None
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Make a request that the HTTP type answers at once."""
    scope = {
        "type": "http",
        "method": method,
        "path": exhibit("async-http").url_in(room),
        "headers": [(b"host", b"localhost"), *(headers or {}).items()],
    }
    connection = Connection(scope)
    connection.incoming.put_nowait({"type": "http.request", "body": body, "more_body": False})
    start, end = await connection.event(), await connection.event()
    await connection.end({"type": "http.disconnect"})
    return start["status"], dict(start["headers"]), end["body"]


class Member:
    """One of the five types, in a room."""

    def __init__(self, slug: str, room: str) -> None:
        self.slug = slug
        self.room = room
        self.is_http = slug == "async-http"

    async def join(self) -> Any:
        """Connect, and return the first event that the application sends."""
        scope: dict[str, Any] = {"path": exhibit(self.slug).url_in(self.room)}
        if self.is_http:
            accept = [(b"accept", b"text/event-stream")]
            scope |= {"type": "http", "method": "GET", "headers": accept}
            opening = {"type": "http.request", "body": b"", "more_body": False}
        else:
            scope |= {"type": "websocket"}
            opening = {"type": "websocket.connect"}
        self.connection = Connection(scope)
        self.connection.incoming.put_nowait(opening)
        first = await self.connection.event()
        if self.is_http and first["status"] == 200:
            comment = await self.connection.event()
            assert comment["body"] == b": following\n\n"
        return first

    async def send(self, text: str) -> None:
        """Send a request to the room; over HTTP, keep the response to the sender."""
        if self.is_http:
            _, _, body = await request(self.room, "POST", text.encode())
            self.response = body.decode()
        else:
            self.connection.incoming.put_nowait({"type": "websocket.receive", "text": text})

    async def hear(self) -> str:
        """Return the next message that reaches this member."""
        event = await self.connection.event()
        if self.is_http:
            assert event["more_body"]
            body: str = event["body"].decode()
            assert body.startswith("data: ")
            assert body.endswith("\n\n")
            return body.removeprefix("data: ").removesuffix("\n\n")
        text: str = event["text"]
        return text

    async def hear_refusal(self) -> str:
        """Return the error that only this member gets for its last request."""
        return self.response if self.is_http else await self.hear()

    async def end(self, code: int = 1000) -> None:
        """Disconnect, with a close or (1006) without."""
        await self.connection.end(
            {"type": "http.disconnect"}
            if self.is_http
            else {"type": "websocket.disconnect", "code": code}
        )

    async def leave(self, code: int = 1000) -> None:
        """Disconnect, and assert that the application has sent nothing else."""
        await self.end(code)
        assert self.connection.outgoing.empty()


@asynccontextmanager
async def members(room: str, *slugs: str) -> AsyncIterator[list[Member]]:
    """One member of each type, until the block ends."""
    present = [Member(slug, room) for slug in slugs]
    for member in present:
        await member.join()
    try:
        yield present
    finally:
        for member in present:
            await member.leave()
