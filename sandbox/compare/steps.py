"""What a probe can do to an exhibit, and how what comes back is put into words.

Each step is data: what to do, and in ``expected`` the words for what the contract wants to see.
``run`` does it and returns the words for what was seen.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from websockets.frames import CloseCode, Opcode

from consumers.catalogue import Exhibit
from sandbox.wire import (
    Header,
    HttpConnection,
    Pong,
    RefusedError,
    Response,
    Trace,
    WebSocket,
    http_connection,
    websocket,
)

Payload = str | bytes | tuple[bytes, ...]
"""A text message, a binary one, or one in fragments; over HTTP a body, or one in chunks."""

DISCONNECT_SECONDS = 3.0
SHOWN_CHARACTERS = 80
WAITS = "the neighbour waits"
TRIES = 4
HTTP_STATUS = {
    "error invalid_json": 400,
    "error invalid_request": 400,
    "error too_deep": 400,
    "error too_large": 413,
    "error method_not_allowed": 405,
}

_rooms = count(1)


@dataclass
class Session:
    """One exhibit on one server, while one probe is put to it."""

    exhibit: Exhibit
    url: str
    """Of the server, as ``http://host:port``."""
    log: Callable[[], str] | None
    """What the server has printed so far, where it can be read."""
    loose: bool = False
    """Take equal JSON values for equal, however they are written."""
    trace: Trace = field(default_factory=Trace)
    details: list[str] = field(default_factory=list)
    """The detail of each error, for the exhibits must agree on them."""
    room: str = ""
    path: str = ""
    addresses: dict[int, str] = field(default_factory=dict)
    """What the server called each connection."""
    _connections: AsyncExitStack = field(default_factory=AsyncExitStack)
    _websockets: dict[int, WebSocket] = field(default_factory=dict)
    _http: dict[int, HttpConnection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A room of its own for each session, so that sessions do not hear each other.
        self.room = f"compare-{next(_rooms)}"
        self.path = self.exhibit.url_in(self.room)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._connections.aclose()

    async def open(self, on: int = 1, suffix: str = "", **handshake: Any) -> WebSocket:
        connection = await self._connections.enter_async_context(
            websocket(f"{self.url}{self.path}{suffix}", trace=self.trace, **handshake)
        )
        self._websockets[on] = connection
        self.addresses[on] = connection.local_address
        return connection

    async def websocket(self, on: int = 1) -> WebSocket:
        return self._websockets.get(on) or await self.open(on)

    async def request(self, method: str, suffix: str = "", on: int = 1, **parts: Any) -> Response:
        connection = self._http.get(on)
        if connection is None or not connection.is_reusable:
            connection = await self._connections.enter_async_context(
                http_connection(self.url, trace=self.trace)
            )
            self._http[on] = connection
            self.addresses[on] = connection.local_address
        return await connection.request(method, self.path + suffix, **parts)

    async def send(self, payload: Payload, on: int = 1) -> None:
        connection = await self.websocket(on)
        if isinstance(payload, tuple):
            for index, fragment in enumerate(payload):
                opcode = Opcode.CONT if index else Opcode.TEXT
                await connection.send_frame(opcode, fragment, fin=index == len(payload) - 1)
        else:
            await connection.send(payload)

    async def receive(self, expected: str = "", on: int = 1) -> str:
        """Put the next thing that comes over a WebSocket into words."""
        received = await (await self.websocket(on)).receive()
        if isinstance(received, Pong):
            return f"pong {received.payload.decode(errors='backslashreplace')}"
        if isinstance(received, bytes):
            return brief(f"binary {received.decode(errors='backslashreplace')}")
        return self.words(received, expected)

    async def ask(self, payload: Payload, expected: str = "", on: int = 1) -> str:
        """Make one request in the exhibit's own protocol; put the reply into words."""
        if self.exhibit.protocol == "websocket":
            await self.websocket(on)
            # A server may close before it has read the whole of a message.
            sending = asyncio.create_task(self.send(payload, on))
            try:
                return await self.receive(expected, on)
            finally:
                sending.cancel()
        body = payload.encode() if isinstance(payload, str) else payload
        response = await self.request("POST", on=on, body=body)
        words = self.words(response.body.decode(errors="backslashreplace"), expected)
        done = self.exhibit.edition.http_status
        if response.status == HTTP_STATUS.get(words, done):
            return words
        return http_words(response.status, words)

    def words(self, reply: str, expected: str = "") -> str:
        """Put a reply into words: an error by its code, a message as it is."""
        if reply == expected or (self.loose and is_same_json(reply, expected)):
            return brief(expected)
        match = re.fullmatch(r'\{"error":(\{.+\})\}', reply)
        error = _parse_or_none(match[1]) if match else None
        if match and isinstance(error, dict) and list(error) == ["code", "detail"]:
            compact = json.dumps(error, ensure_ascii=False, separators=(",", ":"))
            if match[1] == compact:
                self.details.append(str(error["detail"]))
                return f"error {error['code']}"
        words = brief(reply)
        # What is cut out of the middle may be what differs.
        return f"{words}, not these" if words == brief(expected) else words


def brief(text: str) -> str:
    """Keep what is shown to a line that a terminal can print; the size tells what was cut."""
    if len(text) <= SHOWN_CHARACTERS:
        return _printable(text)
    half = SHOWN_CHARACTERS // 2 - 10
    return f"{_printable(text[:half])} … {_printable(text[-half:])} ({len(text)} characters)"


def _printable(text: str) -> str:
    return "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}" for character in text
    )


def http_words(status: int, words: str) -> str:
    # Of a page for people, such as Django's 404, the status says enough.
    return f"HTTP {status} {words}" if words.startswith(("{", "error ")) else f"HTTP {status}"


def is_same_json(one: str, other: str) -> bool:
    """Whether two documents hold the same value: 1 is neither 1.0 nor true, and order counts."""
    try:
        return repr(_parse(one)) == repr(_parse(other))
    except (ValueError, RecursionError):
        return False


def _parse_or_none(document: str) -> Any:
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        return None


def _parse(document: str) -> Any:
    # Integers stay text: Python forbids to read long ones.
    return json.loads(document, parse_int=lambda lexeme: ("integer", lexeme))


# The steps.


class Step(Protocol):
    """One thing that a probe does."""

    @property
    def expected(self) -> str:
        """The words for what the contract wants to see; empty where there is nothing to see."""

    async def run(self, session: Session) -> str:
        """Do it; return the words for what was seen."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Make a request, look at the reply."""

    payload: Payload
    reply: str
    """The reply's exact text, or ``error <code>``."""
    on: int = 1
    """Number of the connection."""

    @property
    def expected(self) -> str:
        return brief(self.reply)

    async def run(self, session: Session) -> str:
        return await session.ask(self.payload, self.reply, self.on)


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask for delayed replies, and see that none of them comes early."""

    delay: float
    expected: str = '{"message":1}'

    async def run(self, session: Session) -> str:
        # On a slow day a reply that nobody delayed is late too, but hardly time after time.
        for _ in range(TRIES):
            began = time.perf_counter()
            request = f'{{"message":1,"delay":{self.delay}}}'
            words = await session.ask(request, self.expected)
            if time.perf_counter() - began < self.delay - 0.002:  # clocks differ by a tick
                return f"{words}, too early"
        return words


@dataclass(frozen=True, slots=True)
class AskMuch:
    """Make a request of so many bytes; it is put together only when it is sent."""

    size: int
    expected: str

    async def run(self, session: Session) -> str:
        return await session.ask(request_of(self.size), on=1)


def request_of(size: int) -> str:
    """A good request of so many bytes."""
    return '{"message": "' + "x" * (size - len('{"message": ""}')) + '"}'


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Send many requests before reading the first reply."""

    requests: int

    @property
    def expected(self) -> str:
        return f"{self.requests} replies in order"

    async def run(self, session: Session) -> str:
        for number in range(self.requests):
            await session.send(f'{{"message":{number}}}')
        for number in range(self.requests):
            reply = f'{{"message":{number}}}'
            if (words := await session.receive(reply)) != reply:
                return f"{words} as reply {number}"
        return self.expected


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Ask on one connection for a delayed reply, meanwhile on another for one at once."""

    delay: float
    expected: str = "the neighbour is answered meanwhile"

    async def run(self, session: Session) -> str:
        # On a slow day anybody may wait, but hardly time after time.
        for _ in range(TRIES):
            if (words := await self._try(session)) != WAITS:
                break
        return words

    async def _try(self, session: Session) -> str:
        for on in (1, 2):
            await session.ask('{"message":0}', on=on)
        began = time.perf_counter()
        slow = asyncio.create_task(session.ask(f'{{"message":1,"delay":{self.delay}}}', on=1))
        await asyncio.sleep(self.delay / 5)  # until the exhibit is at it
        await session.ask('{"message":2}', on=2)
        if slow.done():
            return "nobody waits" if time.perf_counter() - began < self.delay else WAITS
        await asyncio.sleep(self.delay / 10)  # the other reply may be on its way
        waited = slow.done()
        await slow
        return WAITS if waited else self.expected


@dataclass(frozen=True, slots=True)
class Open:
    """Open a WebSocket."""

    expected: str = "open"
    origin: str | None = None
    """``{origin}`` stands for the server's own, ``{host}`` for its host and port."""
    subprotocols: tuple[str, ...] = ()
    compression: bool = False
    """Offer it."""
    suffix: str = ""
    """What follows the exhibit's path."""
    on: int = 1

    async def run(self, session: Session) -> str:
        own = urlsplit(session.url)
        origin = self.origin and self.origin.format(
            origin=session.url, host=own.netloc, hostname=own.hostname
        )
        try:
            connection = await session.open(
                self.on,
                self.suffix,
                origin=origin,
                subprotocols=self.subprotocols,
                compression=self.compression,
            )
        except RefusedError as refused:
            return f"refused {refused.status}"
        words = ["open"]
        if connection.subprotocol:
            words.append(f"subprotocol {connection.subprotocol}")
        if connection.is_compressed:
            words.append("compressed")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Frames:
    """Send frames as they are given, allowed or not; look at what comes back."""

    frames: tuple[tuple[Opcode, bytes, bool], ...]
    """Opcode, payload, and whether it ends a message."""
    expected: str

    async def run(self, session: Session) -> str:
        connection = await session.websocket()
        for opcode, payload, fin in self.frames:
            await connection.send_frame(opcode, payload, fin=fin)
        if not self.expected:
            return ""
        return await session.receive(self.expected)


@dataclass(frozen=True, slots=True)
class Close:
    """Shake hands on closing."""

    code: int
    expected: str = ""
    """``closed <code>`` to see what the server answers."""

    async def run(self, session: Session) -> str:
        closed = await (await session.websocket()).close(self.code)
        is_answered = closed.code != CloseCode.ABNORMAL_CLOSURE
        return "" if is_answered and not self.expected else f"closed {closed.code}"


@dataclass(frozen=True, slots=True)
class Vanish:
    """End the connection without a close frame."""

    expected: str = ""

    async def run(self, session: Session) -> str:
        connection = await session.websocket()
        connection.vanish()
        return ""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """See in the server's log that the consumer's ``disconnect`` ran."""

    expected: str
    """``disconnect <code>``, over HTTP ``disconnect``."""

    async def run(self, session: Session) -> str:
        assert session.log is not None  # noqa: S101 # the engine skips it elsewhere
        wanted = re.compile(
            f"{re.escape(session.addresses[1])} {re.escape(session.path)} (disconnect.*)"
        )
        deadline = time.monotonic() + DISCONNECT_SECONDS
        while time.monotonic() < deadline:
            if match := wanted.search(session.log()):
                return match[1]
            await asyncio.sleep(0.05)
        return "no disconnect"


@dataclass(frozen=True, slots=True)
class Request:
    """Make an HTTP request of any kind."""

    method: str
    status: int
    reply: str | None = None
    """The reply's exact text, or ``error <code>``; None where any will do."""
    suffix: str = ""
    headers: tuple[Header, ...] = ()
    body: bytes | tuple[bytes, ...] = b""
    shown: tuple[Header, ...] = ()
    """Headers that the response must carry."""

    @property
    def expected(self) -> str:
        return _response_words(
            self.status, None if self.reply is None else brief(self.reply), self.shown
        )

    async def run(self, session: Session) -> str:
        response = await session.request(
            self.method, self.suffix, headers=self.headers, body=self.body
        )
        reply = response.body.decode(errors="backslashreplace")
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return http_words(response.status, "")  # each server has its own page for that
        shown = tuple((name, response.header(name) or "none") for name, _ in self.shown)
        words = None if self.reply is None else session.words(reply, self.reply)
        if words and not words.startswith(("{", "error ")):
            words = None
        return _response_words(response.status, words, shown)


def _response_words(status: int, reply: str | None, headers: tuple[Header, ...]) -> str:
    words = f"HTTP {status}" + (f" {reply}" if reply else "")
    return ", ".join([words, *(f"{name}: {value}" for name, value in headers)])
