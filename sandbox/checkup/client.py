"""Connections to a consumer that is not ours, and the requests that can be made of one it knows."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from websockets.exceptions import InvalidHandshake
from websockets.frames import Opcode

from sandbox import wire
from sandbox.checkup.target import Target, TargetError

Message: TypeAlias = str | bytes
Payload: TypeAlias = str | bytes | tuple[bytes, ...]
"""A text message, a binary one, or one in fragments."""
Path: TypeAlias = tuple[str | int, ...]

ENDS = (wire.ClosedError, wire.RefusedError, InvalidHandshake, OSError)
"""How a connection may fail; a time-out is an OSError."""
CLOSE_SECONDS, LONGEST_HEARD = 0.3, 3.0
NOT_JSON = "This is not JSON."
VISIBLE_HEADERS = {
    *("host", "upgrade", "connection", "origin", "server", "date", "location"),
    *(f"sec-websocket-{name}" for name in ("key", "version", "accept", "extensions")),
}
"""Not that of subprotocols, which may be tokens."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What the consumer does with good requests, as it was met."""

    origin: str | None = None
    """The Origin that opens a connection, if one is needed."""
    greetings: int = 0
    """Messages that come before any request."""
    reply: Message = ""
    more: int = 0
    """Messages that follow the reply to a request."""
    is_shared: bool = False
    """Whether other connections hear the reply too."""
    is_unread: bool = False
    """Whether it sends back what is not even JSON, as an echo does."""
    mark: Path | None = None
    """Where in a request a text stands that the reply repeats; () for the request itself."""
    window: float = 0.3
    """Seconds in which an answer comes, if one comes."""
    rest: tuple[float, ...] = ()
    """Round trips in seconds, in order of size."""


@dataclass
class Spent:
    """What has been sent so far."""

    connections: int = 0
    messages: int = 0
    size: int = 0
    """Bytes of payload."""


@dataclass
class Client:
    """One connection."""

    target: Target
    habits: Habits
    socket: wire.WebSocket
    spent: Spent

    @property
    def address(self) -> str:
        return self.socket.local_address

    async def send(self, payload: Payload) -> None:
        self.spent.messages += 1
        if isinstance(payload, tuple):
            self.spent.size += sum(map(len, payload))
            for index, fragment in enumerate(payload):
                opcode = Opcode.CONT if index else Opcode.TEXT
                await self.socket.send_frame(opcode, fragment, fin=index == len(payload) - 1)
            return
        self.spent.size += len(payload.encode()) if isinstance(payload, str) else len(payload)
        await self.socket.send(payload)

    async def send_bad_text(self, payload: bytes) -> None:
        """Send a text message that need not be UTF-8."""
        self.spent.messages += 1
        self.spent.size += len(payload)
        await self.socket.send_frame(Opcode.TEXT, payload)

    async def receive(self, seconds: float | None = None) -> Message:
        """Return the next message. Raises ClosedError, TimeoutError."""
        async with asyncio.timeout(self.target.manner.seconds if seconds is None else seconds):
            while isinstance(message := await self.socket.receive(), wire.Pong):
                pass
        return message

    async def heard(self, seconds: float) -> list[Message]:
        """Return what comes until nothing comes for so long; of what never ends, the beginning.

        Raises ClosedError.
        """
        messages: list[Message] = []
        until = time.monotonic() + LONGEST_HEARD
        with suppress(TimeoutError):
            while time.monotonic() < until:
                messages.append(await self.receive(seconds))
        return messages

    async def followed(self, seconds: float) -> int:
        """Count what comes until nothing comes for so long; 0 if messages come all the time.

        Raises ClosedError, TargetError.
        """
        began = time.monotonic()
        messages = await self.heard(seconds)
        if time.monotonic() - began < LONGEST_HEARD:
            return len(messages)
        if self.target.manner.reply is None:
            raise TargetError(
                f"{self.target.name} sends messages all the time: say with --reply what an answer "
                "looks like."
            )
        return 0

    async def ask(self, request: Payload, seconds: float | None = None) -> Message:
        """Make a request and return its reply. Raises ClosedError, TimeoutError."""
        await self.send(request)
        return await self.reply(seconds)

    async def reply(self, seconds: float | None = None, containing: str = "") -> Message:
        """Return the next message that looks like an answer. Raises ClosedError, TimeoutError."""
        async with asyncio.timeout(self.target.manner.seconds if seconds is None else seconds):
            while True:
                message = await self.receive(None if seconds is None else seconds + 1)
                if containing in as_text(message) and self.is_reply(message):
                    break
        with suppress(TimeoutError):
            for _ in range(self.habits.more):
                await self.receive(self.habits.window)
        return message

    def is_reply(self, message: Message) -> bool:
        pattern = self.target.manner.reply
        return pattern is None or bool(pattern.search(as_text(message)))

    async def close(self) -> None:
        """Leave as a good client does, but do not wait long for the answer."""
        try:
            await self.socket.close(timeout=CLOSE_SECONDS)
        except ENDS:
            self.socket.vanish()


@dataclass
class Caller:
    """Opens connections to a target, and knows what was sent over all of them."""

    target: Target
    habits: Habits = field(default_factory=Habits)
    spent: Spent = field(default_factory=Spent)

    @asynccontextmanager
    async def open(
        self,
        trace: wire.Trace | None = None,
        *,
        greeted: bool = True,
        **handshake: Any,
    ) -> AsyncIterator[Client]:
        """Open a connection and hear its greetings; ``handshake`` replaces parts of the usual one.

        Raises what ENDS has.
        """
        manner = self.target.manner
        parts = {
            "origin": manner.origin if manner.origin is not None else self.habits.origin,
            "headers": manner.headers,
            **handshake,
        }
        self.spent.connections += 1
        opening = wire.websocket(
            self.target.url,
            subprotocols=manner.subprotocols,
            trace=trace,
            tls=self.target.tls,
            timeout=manner.seconds,
            **parts,
        )
        async with asyncio.timeout(manner.seconds):
            socket = await opening.__aenter__()
        client = Client(self.target, self.habits, socket, self.spent)
        try:
            if greeted:
                with suppress(TimeoutError):
                    for _ in range(self.habits.greetings):
                        await client.receive(max(self.habits.window, 1.0))
            yield client
        finally:
            await client.close()
            await opening.__aexit__(None, None, None)

    async def is_alive(self, within: float) -> bool:
        """Whether a new connection gets an answer within so many seconds."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with suppress(*ENDS):
                async with self.open() as client:
                    await client.ask(self.request())
                    return True
            await asyncio.sleep(0.1)
        return False

    async def ask_marked(self, client: Client, mark: str, seconds: float | None = None) -> Message:
        """Ask so that a reply to another client is not taken for this one's, where it can be.

        Raises ClosedError, TimeoutError.
        """
        if self.habits.mark is None:
            return await client.ask(self.request(), seconds)
        await client.send(self.marked(mark))
        return await client.reply(seconds, containing=mark)

    # Requests.

    def request(self) -> str:
        return self.target.manner.request

    def with_value(self, value: str) -> str:
        """Return the known request with other JSON in the place of its last text."""
        return replaced(self.request(), value)

    def marked(self, mark: str, size: int = 0) -> str:
        """Return the known request so that its reply can be recognised, and of some size.

        For a consumer with a ``mark`` only.
        """
        assert self.habits.mark is not None  # noqa: S101 # the caller has looked
        return marked(self.request(), self.habits.mark, mark, size)


def as_text(message: Message) -> str:
    return message if isinstance(message, str) else message.decode(errors="backslashreplace")


def parsed(text: str) -> Any:
    """Return the JSON value of a text, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def texts_in(request: str) -> list[Path]:
    """Return where texts stand in a request, the last first; () is a request that is not JSON."""
    value = parsed(request)
    return list(reversed(list(_texts(value, ())))) if isinstance(value, dict | list) else [()]


def _texts(value: Any, path: Path) -> Any:
    if isinstance(value, str):
        yield path
    members = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, member in members:
        yield from _texts(member, (*path, key))


def marked(request: str, path: Path, mark: str, size: int = 0) -> str:
    """Return a request with ``mark`` at the end of the text at ``path``, filled up to a size."""
    if not path:
        return f"{request}{'x' * (size - len(request))} {mark}"
    value = parsed(request)
    place = _at(value, path[:-1])
    place[path[-1]] = f"{place[path[-1]]}{'x' * (size - len(request))} {mark}"
    return json.dumps(value, ensure_ascii=False)


def replaced(request: str, value: str) -> str:
    """Return a request with other JSON in the place of its last text or value."""
    document = parsed(request)
    paths = [path for path in texts_in(request) if path]
    if not paths and isinstance(document, dict) and document:
        paths = [(list(document)[-1],)]
    if not paths:
        return value
    hole = "a hole that nothing else has"
    _at(document, paths[0][:-1])[paths[0][-1]] = hole
    return json.dumps(document, ensure_ascii=False).replace(json.dumps(hole), value)


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def without_secrets(event: wire.Event) -> wire.Event:
    """Hide the values of most headers, and the query of the URL."""
    if event.kind != "handshake":
        return event
    first, *lines = event.excerpt.splitlines()
    target, space, version = first.rpartition(" ") if event.sent else (first, "", "")
    head = (target.partition("?")[0] if event.sent else first) + space + version
    shown = []
    for line in lines:
        name, colon, value = line.partition(":")
        is_visible = name.lower() in VISIBLE_HEADERS
        shown.append(f"{name}{colon}{value if is_visible else ' …' * bool(colon)}")
    return event._replace(excerpt="\r\n".join([head, *shown]))
