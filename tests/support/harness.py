"""The comparison of many exhibits: all get the same frames at the same time."""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from consumers.catalogue import CATALOGUE, EDITIONS, Exhibit
from sandbox.wire import http_connection, websocket
from tests.support.asgi import TIMEOUT, Connection
from tests.support.oracle import expect, read
from tests.support.strategies import Frame

examples_tried: Counter[str] = Counter()
"""How often each kind of comparison was made, for the summary of the run."""


class ExhibitConnection(Protocol):
    """A way to one exhibit: open a connection, pass frames one way and replies the other."""

    async def open(self) -> None: ...
    async def send(self, frame: Frame) -> None: ...
    async def receive(self) -> bytes: ...
    async def close(self, code: int) -> None: ...


class Comparison:
    """Exhibits, each on a connection that stays open from one example to the next.

    Use it as a context manager. It has an event loop of its own, so that Hypothesis can drive it
    from plain functions: keeping connections open is ten times as fast as opening new ones.
    """

    def __init__(self, place: str, connections: dict[str, ExhibitConnection]) -> None:
        self.place = place
        self.connections = connections
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        # Every consumer must end before the loop does: one that is left behind blocks its thread.
        self.close(1000)
        self.end()

    def open(self) -> None:
        self._each(connection.open() for connection in self.connections.values())

    def close(self, code: int) -> None:
        self._each(connection.close(code) for connection in self.connections.values())

    def end(self) -> None:
        self._runner.close()

    def ask(self, frames: Sequence[Frame]) -> list[bytes]:
        """Send all frames to every exhibit, in one go; assert that all reply alike, and rightly."""
        examples_tried[f"{self.place}, {len(self.connections)}-way"] += 1
        replies: dict[str, list[bytes]] = dict(
            zip(
                self.connections,
                self._each(
                    _converse(connection, frames) for connection in self.connections.values()
                ),
                strict=True,
            )
        )
        first, *others = replies
        for other in others:
            assert replies[other] == replies[first], f"{other} and {first} differ"
        assert [read(reply) for reply in replies[first]] == [expect(frame) for frame in frames]
        return replies[first]

    def _each(self, coroutines: Any) -> list[Any]:
        async def gather() -> list[Any]:
            # All of them to their end: after one failure the other connections are still in step.
            results = await asyncio.gather(*coroutines, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            return results

        return self._runner.run(gather())


async def _converse(connection: ExhibitConnection, frames: Sequence[Frame]) -> list[bytes]:
    for frame in frames:
        await connection.send(frame)
    return [await connection.receive() for _ in frames]


# Not stock: it is the classes of echo once more, and how they are mounted shows in no reply.
KEEPING_THE_CONTRACT = [
    edition.name
    for edition in EDITIONS.values()
    if edition.is_echo and edition.keeps_contract and not edition.debug_only
]


def keeping_the_contract(*editions: str) -> list[Exhibit]:
    """The exhibits that must all give the same bytes: five types, each in several editions."""
    wanted = editions or os.environ.get("SANDBOX_TEST_EDITIONS", "").split() or KEEPING_THE_CONTRACT
    return [one for one in CATALOGUE if one.edition.name in wanted]


class InProcessWebSocket:
    """A WebSocket exhibit without a server."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def open(self) -> None:
        self.connection = Connection({"type": "websocket", "path": self.path})
        self.connection.incoming.put_nowait({"type": "websocket.connect"})
        assert (await self.connection.event())["type"] == "websocket.accept"

    async def send(self, frame: Frame) -> None:
        key = "text" if isinstance(frame, str) else "bytes"
        self.connection.incoming.put_nowait({"type": "websocket.receive", key: frame})

    async def receive(self) -> bytes:
        event = await self.connection.event()
        assert event["type"] == "websocket.send", event
        return str(event["text"]).encode()

    async def close(self, code: int) -> None:
        await self.connection.end({"type": "websocket.disconnect", "code": code})


class InProcessHttp:
    """An HTTP exhibit without a server: each frame is the body of a POST."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def open(self) -> None:
        self.replies: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, frame: Frame) -> None:
        body = frame.encode() if isinstance(frame, str) else frame
        connection = Connection({"type": "http", "method": "POST", "path": self.path})
        await connection.end({"type": "http.request", "body": body})
        connection.task.result()
        events = [connection.outgoing.get_nowait() for _ in range(connection.outgoing.qsize())]
        await self.replies.put(b"".join(event.get("body", b"") for event in events))

    async def receive(self) -> bytes:
        return await self.replies.get()

    async def close(self, code: int) -> None:
        """HTTP has no connection to close."""


def in_process(*editions: str) -> Comparison:
    kinds: dict[str, Any] = {"websocket": InProcessWebSocket, "http": InProcessHttp}
    return Comparison(
        "in process", {e.id: kinds[e.protocol](e.url) for e in keeping_the_contract(*editions)}
    )


class OnTheWireWebSocket:
    """A WebSocket exhibit behind a real server, on a real socket."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self) -> None:
        self.stack = AsyncExitStack()
        self.connection = await self.stack.enter_async_context(websocket(self.url))

    async def send(self, frame: Frame) -> None:
        await self.connection.send(frame)

    async def receive(self) -> bytes:
        reply = await self.connection.receive(TIMEOUT)
        assert isinstance(reply, str), reply
        return reply.encode()

    async def close(self, code: int) -> None:
        assert (await self.connection.close(code)).code == code
        await self.stack.aclose()


class OnTheWireHttp(InProcessHttp):
    """An HTTP exhibit behind a real server, on one kept-alive connection."""

    async def open(self) -> None:
        await super().open()
        self.stack = AsyncExitStack()
        self.connection = await self.stack.enter_async_context(http_connection(self.path))

    async def send(self, frame: Frame) -> None:
        body = frame.encode() if isinstance(frame, str) else frame
        response = await self.connection.request("POST", urlsplit(self.path).path, body=body)
        await self.replies.put(response.body)

    async def close(self, code: int) -> None:  # noqa: ARG002 # HTTP has no close codes
        await self.stack.aclose()


def on_the_wire(server_url: str, *editions: str) -> Comparison:
    kinds: dict[str, Any] = {"websocket": OnTheWireWebSocket, "http": OnTheWireHttp}
    return Comparison(
        "on the wire",
        {e.id: kinds[e.protocol](server_url + e.url) for e in keeping_the_contract(*editions)},
    )
