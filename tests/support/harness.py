"""Many exhibits, asked the same at the same time."""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from channels.testing import HttpCommunicator, WebsocketCommunicator

from consumers.catalogue import CATALOGUE, Exhibit
from routing.urls import is_mounted
from sandbox.asgi import application
from sandbox.wire import http_connection, websocket
from tests.support.oracle import expect, read
from tests.support.strategies import Frame

TIMEOUT = 30.0
"""Seconds after which a missing reply is a failure; never what a test measures."""

examples_tried: Counter[str] = Counter()
"""How often each kind of fleet was asked, for the summary of the run."""


class Line(Protocol):
    """A way to one exhibit: open a connection, pass frames one way and replies the other."""

    async def open(self) -> None: ...
    async def send(self, frame: Frame) -> None: ...
    async def receive(self) -> bytes: ...
    async def close(self, code: int) -> None: ...


class Fleet:
    """Exhibits, each on a line that stays open from one example to the next.

    Use it as a context manager. It has an event loop of its own, so that Hypothesis can drive it
    from plain functions: keeping connections open is ten times as fast as opening them anew.
    """

    def __init__(self, medium: str, lines: dict[str, Line]) -> None:
        self.medium = medium
        self.lines = lines
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        # Every consumer must end before the loop does: one that is left behind blocks its thread.
        self.close(1000)
        self.end()

    def open(self) -> None:
        self._each(line.open() for line in self.lines.values())

    def close(self, code: int) -> None:
        self._each(line.close(code) for line in self.lines.values())

    def end(self) -> None:
        self._runner.close()

    def ask(self, frames: Sequence[Frame]) -> list[bytes]:
        """Send all frames to every exhibit, in one go; assert that all reply alike, and rightly."""
        examples_tried[f"{self.medium}, {len(self.lines)}-way"] += 1
        replies: dict[str, list[bytes]] = dict(
            zip(
                self.lines,
                self._each(_converse(line, frames) for line in self.lines.values()),
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
            # All of them to their end, lest one failure leave the other lines in disorder.
            results = await asyncio.gather(*coroutines, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            return results

        return self._runner.run(gather())


async def _converse(line: Line, frames: Sequence[Frame]) -> list[bytes]:
    for frame in frames:
        await line.send(frame)
    return [await line.receive() for _ in frames]


KEEPING_THE_CONTRACT = os.environ.get("SANDBOX_TEST_EDITIONS", "echo tuned baseline").split()
# Stock is the classes of echo once more; what it has not is not to be seen in a reply.


def keeping_the_contract(*editions: str) -> list[Exhibit]:
    """The exhibits that must all give the same bytes: five types, each in several editions."""
    wanted = editions or KEEPING_THE_CONTRACT
    return [e for e in CATALOGUE if e.edition.name in wanted and is_mounted(e)]


class InProcessWebSocket:
    """A WebSocket exhibit behind a communicator: no server, no socket."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def open(self) -> None:
        self.communicator = WebsocketCommunicator(application, self.path)
        accepted, _ = await self.communicator.connect(TIMEOUT)
        assert accepted
        # A consumer that dies is noticed at once, and not only after the timeout.
        self.communicator.future.add_done_callback(
            lambda _: self.communicator.output_queue.put_nowait({"type": "the consumer ended"})
        )

    async def send(self, frame: Frame) -> None:
        # Not send_to(), which takes an empty message for a missing one.
        key = "text" if isinstance(frame, str) else "bytes"
        await self.communicator.send_input({"type": "websocket.receive", key: frame})

    async def receive(self) -> bytes:
        event = await self.communicator.receive_output(TIMEOUT)
        assert event["type"] == "websocket.send", event
        return str(event["text"]).encode()

    async def close(self, code: int) -> None:
        if not self.communicator.future.done():
            await self.communicator.disconnect(code, timeout=TIMEOUT)


class InProcessHttp:
    """An HTTP exhibit without a server: each frame is the body of a POST."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def open(self) -> None:
        self.scope: Any = HttpCommunicator(application, "POST", self.path).scope
        self.replies: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, frame: Frame) -> None:
        body = frame.encode() if isinstance(frame, str) else frame
        events: list[Any] = []

        async def request() -> Any:
            return {"type": "http.request", "body": body}

        async def respond(event: Any) -> None:
            events.append(event)

        # Not a communicator, which would wait in vain for a consumer that died.
        await application(self.scope, request, respond)
        await self.replies.put(b"".join(event.get("body", b"") for event in events))

    async def receive(self) -> bytes:
        return await self.replies.get()

    async def close(self, code: int) -> None:
        """HTTP has no connection to close."""


def in_process(*editions: str) -> Fleet:
    kinds: dict[str, Any] = {"websocket": InProcessWebSocket, "http": InProcessHttp}
    return Fleet(
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


def on_the_wire(server_url: str, *editions: str) -> Fleet:
    kinds: dict[str, Any] = {"websocket": OnTheWireWebSocket, "http": OnTheWireHttp}
    return Fleet(
        "on the wire",
        {e.id: kinds[e.protocol](server_url + e.url) for e in keeping_the_contract(*editions)},
    )
