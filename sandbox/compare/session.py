"""One exhibit on one server while one probe is put to it: its connections, and what came back."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from secrets import token_hex
from typing import Any, Self, TypeAlias
from urllib.parse import urlsplit

from websockets.frames import Opcode

from consumers.catalogue import Exhibit
from consumers.mqtt.replies import reply_topic
from sandbox import wire
from sandbox.compare.autobahn import Suite
from sandbox.compare.observations import (
    BinaryMessage,
    ErrorReply,
    Observation,
    Pong,
    Reply,
    Response,
    reply_of,
)

Payload: TypeAlias = str | bytes | tuple[bytes, ...]
"""A text message, a binary one, or one in fragments; over HTTP a body, or one in chunks."""
Member: TypeAlias = wire.WebSocket | wire.EventStream

ERROR_STATUS = {
    "invalid_json": 400,
    "invalid_request": 400,
    "too_deep": 400,
    "too_large": 413,
    "method_not_allowed": 405,
    "unsupported_encoding": 415,
}
"""The HTTP status that the contract has for an error, by its code."""

QOS = 1
"""At which a device asks: what is lost on the way is no fault of a consumer."""

RUN = token_hex(4)
"""A deployment may remember the rooms of earlier runs."""
_rooms = count(1)


@dataclass
class Session:
    """Close it with ``async with``: that ends all of its connections."""

    exhibit: Exhibit
    url: str
    """Of the server, as ``http://host:port``, or of the broker, as ``mqtt://host:port``."""
    log: Callable[[], str] | None = None
    """What the server has printed so far, where it can be read."""
    suite: Suite | None = None
    """Where cases of a test suite run."""
    trace: wire.Trace = field(default_factory=wire.Trace)
    room: str = field(default_factory=lambda: f"compare-{RUN}-{next(_rooms)}")
    """A room for each session, so that sessions do not hear each other."""
    addresses: dict[int, str] = field(default_factory=dict)
    """What the server calls each connection, by its number."""
    members: dict[Exhibit, Member] = field(default_factory=dict)
    """Those that have joined the room."""
    _connections: AsyncExitStack = field(default_factory=AsyncExitStack)
    _websockets: dict[int, wire.WebSocket] = field(default_factory=dict)
    _http: dict[int, wire.HttpConnection] = field(default_factory=dict)
    _devices: dict[int, wire.Mqtt] = field(default_factory=dict)
    _refused: dict[int, bool] = field(default_factory=dict)
    """Whether the last request over HTTP was refused."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._connections.aclose()

    @property
    def path(self) -> str:
        return self.exhibit.url_in(self.room)

    @property
    def target(self) -> str:
        """The path with the prefix of the site, if it has one."""
        return urlsplit(self.url).path + self.path

    async def open(self, on: int = 1, path: str = "", **handshake: Any) -> wire.WebSocket:
        opening = wire.websocket(self.url + (path or self.path), trace=self.trace, **handshake)
        try:
            connection = await self._connections.enter_async_context(opening)
        except wire.RefusedError as error:
            self.addresses[on] = error.local_address
            raise
        self._websockets[on] = connection
        self.addresses[on] = connection.local_address
        return connection

    async def join(
        self, exhibit: Exhibit, room: str, query: str = "", headers: Iterable[wire.Header] = ()
    ) -> Member:
        url = self.url + exhibit.url_in(room) + query
        if exhibit.protocol == "websocket":
            return await self._connections.enter_async_context(
                wire.websocket(url, headers=headers, trace=self.trace)
            )
        return await self._connections.enter_async_context(
            wire.event_stream(url, headers=headers, trace=self.trace)
        )

    async def websocket(self, on: int = 1) -> wire.WebSocket:
        return self._websockets.get(on) or await self.open(on)

    async def device(self, on: int = 1) -> wire.Mqtt:
        """Connect to the broker, and subscribe to where the answers come."""
        if on not in self._devices:
            opening = wire.mqtt(self.url, trace=self.trace)
            device = await self._connections.enter_async_context(opening)
            await device.subscribe(reply_topic(self.exhibit.topic_of(device.client_id)), QOS)
            self._devices[on] = device
        return self._devices[on]

    async def send(self, payload: Payload, on: int = 1) -> None:
        if self.exhibit.is_device:
            device = await self.device(on)
            await device.publish(self.exhibit.topic_of(device.client_id), _joined(payload), QOS)
            return
        if self.exhibit.protocol == "http":
            body = payload.encode() if isinstance(payload, str) else payload
            await (await self.http(on)).send("POST", self.target, body=body)
            return
        connection = await self.websocket(on)
        if isinstance(payload, tuple):
            for index, fragment in enumerate(payload):
                opcode = Opcode.CONT if index else Opcode.TEXT
                await connection.send_frame(opcode, fragment, fin=index == len(payload) - 1)
        else:
            await connection.send(payload)

    async def receive(self, on: int = 1) -> Observation:
        if self.exhibit.is_device:
            message = await (await self.device(on)).receive()
            return observed(message.payload.decode(errors="backslashreplace"))
        return observed(await (await self.websocket(on)).receive())

    async def ask(self, payload: Payload, on: int = 1) -> Observation:
        """Make one request in the exhibit's own protocol."""
        if self.exhibit.is_device:
            await self.send(payload, on)
            return await self.receive(on)
        if self.exhibit.protocol == "websocket":
            await self.websocket(on)
            # A server may close before it has read the whole of a message.
            sending = asyncio.create_task(self.send(payload, on))
            try:
                return await self.receive(on)
            finally:
                sending.cancel()
        body = payload.encode() if isinstance(payload, str) else payload
        response = await self.request("POST", on=on, body=body)
        return self.without_status(Response(response.status, reply_in(response)))

    async def vanish(self) -> None:
        if self.exhibit.protocol == "http":
            self._http[1].vanish()
        else:
            (await self.websocket()).vanish()

    async def request(
        self, method: str, suffix: str = "", on: int = 1, **parts: Any
    ) -> wire.Response:
        target, kept = self.target + suffix, self._http.get(on)
        try:
            response = await (await self.http(on)).request(method, target, **parts)
        except wire.ClosedError:
            if kept is None or kept is not self._http[on] or not self._refused.get(on):
                raise
            # A server may close a connection on which it has refused a request before it had read
            # all of it, as Hypercorn does. Every HTTP client tries once more then.
            del self._http[on]
            response = await (await self.http(on)).request(method, target, **parts)
        self._refused[on] = response.status >= HTTPStatus.BAD_REQUEST
        return response

    async def http(self, on: int = 1) -> wire.HttpConnection:
        connection = self._http.get(on)
        if connection is None or not connection.is_reusable:
            connection = await self._connections.enter_async_context(
                wire.http_connection(self.url, trace=self.trace)
            )
            self._http[on] = connection
            self.addresses[on] = connection.local_address
        return connection

    def without_status(self, response: Response) -> Observation:
        """Take the reply alone where the status is the contract's: so types can be compared."""
        match response.reply:
            case Reply() if response.status == self.exhibit.edition.http_status:
                return response.reply
            case ErrorReply(code=code) if response.status == ERROR_STATUS.get(code):
                return response.reply
        return response


def _joined(payload: Payload) -> bytes:
    if isinstance(payload, str):
        return payload.encode()
    return payload if isinstance(payload, bytes) else b"".join(payload)


def observed(received: str | bytes | wire.Pong) -> Observation:
    match received:
        case wire.Pong(payload=payload):
            return Pong(payload)
        case bytes():
            return BinaryMessage(received)
    return reply_of(received)


def reply_in(response: wire.Response) -> Reply | ErrorReply | None:
    # Each server has pages of its own for people; their status says enough.
    text = response.body.decode(errors="backslashreplace")
    return reply_of(text) if text.startswith("{") else None
