"""Members of a room that remembers: one way to speak to all types, in process and on the wire."""

import asyncio
import json
from asyncio import Queue, Task, TaskGroup, create_task, timeout
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from threading import Barrier
from typing import Any, Protocol
from urllib.parse import urlsplit

from asgiref.sync import SyncToAsync
from django.core.management import call_command
from django.db import connections

from consumers.catalogue import Exhibit, exhibits
from routing.urls import THREADS
from sandbox.asgi import application
from sandbox.wire import WebSocket, http, websocket

TIMEOUT = 60.0
"""Seconds after which a test fails."""

EXHIBITS = [
    *exhibits("history"),
    *exhibits("history-wrapped"),
    *exhibits("history-stock"),
]
HTTP = next(exhibit for exhibit in EXHIBITS if exhibit.protocol == "http")


@contextmanager
def sqlite_database(file: Path) -> Iterator[None]:
    """Give this process another database, migrated."""
    database = connections.settings["default"]
    before = database["NAME"]
    try:
        _move(database, str(file))
        call_command("migrate", verbosity=0)
        yield
    finally:
        _move(database, before)


def _move(database: dict[str, Any], name: str) -> None:
    database["NAME"] = name
    connections.close_all()
    # Each thread has a connection of its own.
    barrier = Barrier(THREADS._max_workers)  # noqa: SLF001 # there is no public way to ask
    closing = [THREADS.submit(_close, barrier) for _ in range(barrier.parties)]
    closing.append(SyncToAsync.single_thread_executor.submit(connections.close_all))
    for future in closing:
        future.result()


def _close(barrier: Barrier) -> None:
    barrier.wait()
    connections.close_all()


class Member(Protocol):
    """One of the types, in a room."""

    async def join(self) -> None: ...
    async def send(self, text: str) -> None:
        """Send a request; over HTTP in a POST of its own."""

    async def receive(self) -> str: ...
    async def leave(self) -> None: ...


def read_event(block: str) -> str:
    """Return the data of a server-sent event, and check its id."""
    event_id, _, data = block.strip().rpartition("data: ")
    number = json.loads(data).get("id")
    assert event_id == (f"id: {number}\n" if number else "")
    return data


class InProcess:
    """A member without a server: its ASGI events."""

    def __init__(
        self, exhibit: Exhibit, room: str, query: str = "", last_event_id: str = ""
    ) -> None:
        self.exhibit = exhibit
        self.room = room
        self.is_http = exhibit.protocol == "http"
        self.query = query
        self.last_event_id = last_event_id
        self.response = b""

    def _connect(self, method: str, **scope: Any) -> None:
        headers = [(b"host", b"localhost"), (b"accept", b"text/event-stream")]
        if self.last_event_id:
            headers.append((b"last-event-id", self.last_event_id.encode()))
        whole: Any = {
            "type": self.exhibit.protocol,
            "method": method,
            "path": self.exhibit.url_in(self.room),
            "query_string": self.query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 1),
            **scope,
        }
        self.incoming: Queue[Any] = Queue()
        self.outgoing: Queue[Any] = Queue()
        self.task: Task[None] = create_task(
            application(whole, self.incoming.get, self.outgoing.put)
        )

    async def event(self) -> Any:
        """The next event that the application sends; what ends the application is raised."""
        async with timeout(TIMEOUT):
            event = create_task(self.outgoing.get())
            try:
                await asyncio.wait([event, self.task], return_when=asyncio.FIRST_COMPLETED)
                if event.done():
                    return event.result()
            finally:
                event.cancel()
            self.task.result()
            return self.outgoing.get_nowait()

    async def join(self) -> None:
        self._connect("GET")
        if self.is_http:
            self.incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
            assert (await self.event())["status"] == 200
            assert (await self.event())["body"] == b": following\n\n"
        else:
            self.incoming.put_nowait({"type": "websocket.connect"})
            assert (await self.event())["type"] == "websocket.accept"

    async def request(self, method: str, body: str = "") -> tuple[int, dict[bytes, bytes], str]:
        """Ask for something that is answered at once: status, headers and body."""
        asking = InProcess(self.exhibit, self.room, self.query, self.last_event_id)
        asking._connect(method)
        event = {"type": "http.request", "body": body.encode(), "more_body": False}
        asking.incoming.put_nowait(event)
        start, end = await asking.event(), await asking.event()
        async with timeout(TIMEOUT):
            await asking.task
        return start["status"], dict(start["headers"]), end["body"].decode()

    async def send(self, text: str) -> None:
        if self.is_http:
            await self.request("POST", text)
        else:
            self.incoming.put_nowait({"type": "websocket.receive", "text": text})

    async def receive(self) -> str:
        event = await self.event()
        if not self.is_http:
            return str(event["text"])
        assert event["more_body"]
        return read_event(event["body"].decode())

    async def leave(self) -> None:
        self.incoming.put_nowait(
            {"type": "http.disconnect"}
            if self.is_http
            else {"type": "websocket.disconnect", "code": 1001}
        )
        async with timeout(TIMEOUT):
            await asyncio.wait([self.task])

    def unread(self) -> list[Any]:
        return [self.outgoing.get_nowait() for _ in range(self.outgoing.qsize())]


class OnTheWire:
    """A member over a real socket."""

    def __init__(self, url: str, exhibit: Exhibit, room: str, after: int | None = None) -> None:
        self.url = url
        self.exhibit = exhibit
        self.room = room
        self.after = after
        self.stack = AsyncExitStack()

    @property
    def is_http(self) -> bool:
        return self.exhibit.protocol == "http"

    async def join(self) -> None:
        url = self.url + self.exhibit.url_in(self.room)
        if self.is_http:
            await self._follow(url)
        else:
            query = "" if self.after is None else f"?after={self.after}"
            self.socket: WebSocket = await self.stack.enter_async_context(
                websocket(url + query, timeout=TIMEOUT)
            )

    async def _follow(self, url: str) -> None:
        parts = urlsplit(url)
        self.reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        self.stack.push_async_callback(_close_connection, writer)
        last = "" if self.after is None else f"Last-Event-ID: {self.after}\r\n"
        writer.write(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Accept: text/event-stream\r\n{last}\r\n".encode()
        )
        self.unread = b""
        async with timeout(TIMEOUT):
            head = await self.reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head, head
            assert await self._block() == ": following\n\n"

    async def _block(self) -> str:
        while b"\n\n" not in self.unread:
            size = int(await self.reader.readline(), 16)
            self.unread += (await self.reader.readexactly(size + 2))[:size]
        block, separator, self.unread = self.unread.partition(b"\n\n")
        return (block + separator).decode()

    async def send(self, text: str) -> None:
        if self.is_http:
            self.status = await post(self.url, self.room, text)
        else:
            await self.socket.send(text)

    async def receive(self) -> str:
        if not self.is_http:
            return str(await self.socket.receive(timeout=TIMEOUT))
        async with timeout(TIMEOUT):
            while (block := await self._block()).startswith(":"):  # a comment
                pass
            return read_event(block)

    async def leave(self) -> None:
        await self.stack.aclose()


async def _close_connection(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def post(url: str, room: str, text: str) -> int:
    path = HTTP.url_in(room)
    return (await http("POST", url + path, body=text.encode(), timeout=TIMEOUT)).status


@asynccontextmanager
async def joined(*members: Member) -> AsyncIterator[None]:
    """Let members join, and leave in the end."""
    async with AsyncExitStack() as stack:
        for member in members:
            await member.join()
            stack.push_async_callback(member.leave)
        yield


async def receive_all(member: Member, last: int) -> list[str]:
    """Receive until the message with that id."""
    received = []
    while True:
        received.append(await member.receive())
        if json.loads(received[-1]).get("id") == last:
            return received


async def received_nothing(member: InProcess, seconds: float) -> bool:
    """Whether nothing comes for so long."""
    with suppress(TimeoutError):
        async with timeout(seconds):
            await member.event()
            return False
    return True


async def all_receive(members: Iterable[Member], last: int) -> list[list[str]]:
    """Let all members receive until the message with that id."""
    async with TaskGroup() as group:
        tasks = [group.create_task(receive_all(member, last)) for member in members]
    return [task.result() for task in tasks]
