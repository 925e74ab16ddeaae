"""What a probe can do to an exhibit. Each step is data; ``run`` does it and returns what it saw."""

import asyncio
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

import h11
from websockets.frames import CloseCode, Opcode

from sandbox import wire
from sandbox.compare.observations import (
    Answers,
    Closed,
    Disconnect,
    Early,
    ErrorReply,
    Failed,
    Header,
    Neighbour,
    NoDelay,
    NoDisconnect,
    Observation,
    Opened,
    Passed,
    Reply,
    Response,
    Scope,
)
from sandbox.compare.session import Payload, Session, reply_in
from sandbox.wire.raw_http import read_all, responses_in
from sandbox.wire.stream import Stream, open_stream

DISCONNECT_SECONDS = 3.0
TRIES = 4
SEGMENT_SECONDS = 0.3
"""Between two segments, so that the server reads each by itself."""


class Step(Protocol):
    """One thing that a probe does."""

    async def run(self, session: Session) -> Observation | None:
        """Do it; return what was seen, or None where there is nothing to see.

        Raises ClosedError, RefusedError, InvalidHandshake, OSError (also as TimeoutError).
        """


# Requests and replies.


@dataclass(frozen=True, slots=True)
class Ask:
    """Make a request, look at the reply."""

    payload: Payload

    async def run(self, session: Session) -> Observation:
        return await session.ask(self.payload)


@dataclass(frozen=True, slots=True)
class AskMuch:
    """Make a request of so many bytes; it is put together only when it is sent."""

    size: int

    async def run(self, session: Session) -> Observation:
        return await session.ask(request_of(self.size))


def request_of(size: int) -> str:
    """A good request of so many bytes."""
    return '{"message": "' + "x" * (size - len('{"message": ""}')) + '"}'


@dataclass(frozen=True, slots=True)
class AskDelayed:
    """Ask for delayed replies, and see that none of them comes early."""

    delay: float

    async def run(self, session: Session) -> Observation:
        # On a slow machine a reply that was not delayed may be late too, but hardly every time.
        for _ in range(TRIES):
            began = time.perf_counter()
            reply = await session.ask(f'{{"message":1,"delay":{self.delay}}}')
            if time.perf_counter() - began < self.delay - 0.002:  # clocks differ by a tick
                return Early(reply)
        return reply


@dataclass(frozen=True, slots=True)
class AskBoth:
    """Ask on one connection for a delayed reply, and during the delay on another for one."""

    delay: float

    async def run(self, session: Session) -> Observation:
        # On a slow machine any connection may have to wait, but hardly every time.
        for _ in range(TRIES):
            if (seen := await self._try(session)) != Neighbour(waits=True):
                break
        return seen

    async def _try(self, session: Session) -> Observation:
        for on in (1, 2):
            await session.ask('{"message":0}', on=on)
        began = time.perf_counter()
        slow = asyncio.create_task(session.ask(f'{{"message":1,"delay":{self.delay}}}', on=1))
        await asyncio.sleep(self.delay / 5)  # until the consumer has begun to wait
        await session.ask('{"message":2}', on=2)
        if slow.done():
            was_early = time.perf_counter() - began < self.delay
            return NoDelay() if was_early else Neighbour(waits=True)
        await asyncio.sleep(self.delay / 10)  # the other reply may be on its way
        waits = slow.done()
        await slow
        return Neighbour(waits)


# WebSockets.


@dataclass(frozen=True, slots=True)
class Open:
    """Open a WebSocket."""

    origin: str | None = None
    """``{origin}`` stands for the server's own, ``{hostname}`` for its host."""
    subprotocols: tuple[str, ...] = ()
    compression: bool = False
    """Offer it."""
    before: str = ""
    """What stands in front of the exhibit's path."""
    suffix: str = ""
    """What follows it."""
    room: str = ""
    """The name of a room as it stands in the URL, percent-encoded."""
    host: str = ""
    """Instead of the server's own Host; ``{hostname}`` as above."""
    headers: tuple[Header, ...] = ()
    early: str | None = None
    """A text message in the same segment as the handshake."""

    async def run(self, session: Session) -> Observation:
        connection = await session.open(
            path=self.before + session.exhibit.url_in(self.room or session.room) + self.suffix,
            headers=(*_host(session, self.host), *self.headers),
            early=self.early,
            origin=self.origin
            and self.origin.format(origin=session.url, hostname=urlsplit(session.url).hostname),
            subprotocols=self.subprotocols,
            compression=self.compression,
        )
        return Opened(connection.subprotocol, connection.is_compressed)


@dataclass(frozen=True, slots=True)
class Send:
    """Make a request and do not wait for the reply."""

    payload: Payload

    async def run(self, session: Session) -> None:
        await session.send(self.payload)


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Send one frame as it is given, allowed or not."""

    opcode: Opcode
    payload: bytes
    fin: bool = True
    """Whether it ends a message."""

    async def run(self, session: Session) -> None:
        await (await session.websocket()).send_frame(self.opcode, self.payload, fin=self.fin)


@dataclass(frozen=True, slots=True)
class Receive:
    """Look at the next message or pong."""

    async def run(self, session: Session) -> Observation:
        return await session.receive()


@dataclass(frozen=True, slots=True)
class Close:
    """Do the closing handshake."""

    code: int
    look_at_answer: bool = False
    """Otherwise only a missing answer is seen."""

    async def run(self, session: Session) -> Observation | None:
        answer = Closed((await (await session.websocket()).close(self.code)).code)
        is_missing = answer.code == CloseCode.ABNORMAL_CLOSURE
        return answer if self.look_at_answer or is_missing else None


@dataclass(frozen=True, slots=True)
class Vanish:
    """End the connection without a word."""

    after: float = 0
    """Seconds in which the consumer begins with a request."""

    async def run(self, session: Session) -> None:
        await asyncio.sleep(self.after)
        await session.vanish()


@dataclass(frozen=True, slots=True)
class AwaitDisconnect:
    """See in the server's log that the consumer's ``disconnect`` ran, after its connect."""

    async def run(self, session: Session) -> Observation:
        assert session.log is not None  # noqa: S101 # the engine skips it elsewhere
        if 1 not in session.addresses:
            return NoDisconnect()  # it could not connect: an earlier step says why
        connection = f"{session.addresses[1]} {session.path}"
        line = re.compile(f"{re.escape(connection)} disconnect(?: (\\d+))?\n")
        deadline = time.monotonic() + DISCONNECT_SECONDS
        while time.monotonic() < deadline:
            log = session.log()
            # An earlier connection may have had the same port.
            begun = log.rfind(f"{connection} connect\n")
            if begun >= 0 and (match := line.search(log, begun)):
                return Disconnect(int(match[1]) if match[1] else None)
            await asyncio.sleep(0.05)
        return NoDisconnect()


# A test suite.


@dataclass(frozen=True, slots=True)
class RunCase:
    """Let the Autobahn suite run one of its cases."""

    case: str
    alone: bool = False
    """Not at the same time as another one that asks for that."""

    async def run(self, session: Session) -> Observation:
        assert session.suite is not None  # noqa: S101 # the engine has one
        url = re.sub("^http", "ws", session.url) + session.path
        result = await session.suite.run(url, self.case, alone=self.alone)
        session.trace.connections = 1
        for sent, kind, size, excerpt in result["frames"]:
            # The suite's log has no times: all have that of its end.
            session.trace.add(1, sent=sent, kind=kind, payload=excerpt.encode(), size=size)
        if result["passed"]:
            return Passed(result["behavior"])
        return Failed(result["behavior"], result["close"], result["detail"])


# HTTP.


@dataclass(frozen=True, slots=True)
class Request:
    """Make an HTTP request of any kind."""

    method: str
    suffix: str = ""
    """What follows the exhibit's path."""
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    look_at: tuple[str, ...] = ()
    """Names of response headers."""
    host: str = ""
    """Instead of the server's own Host; ``{hostname}`` stands for its name."""

    async def run(self, session: Session) -> Observation:
        headers = (*_host(session, self.host), *self.headers)
        response = await session.request(self.method, self.suffix, headers=headers, body=self.body)
        reply = reply_in(response)
        if reply is None and response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Response(response.status)  # each server has its own page for that
        looked_at = tuple((name, response.header(name)) for name in self.look_at)
        return Response(response.status, reply, looked_at)


def _host(session: Session, host: str) -> tuple[Header, ...]:
    return (("Host", host.format(hostname=urlsplit(session.url).hostname)),) if host else ()


@dataclass(frozen=True, slots=True)
class SendRaw:
    """Send bytes over TCP as they are; look at all that comes back."""

    segments: tuple[bytes, ...]
    """``{path}`` stands for the exhibit's path, ``{host}`` for the server's Host."""
    half_close: bool = False
    """Then say that nothing more will come, and go on reading."""
    quiet_seconds: float = 15.0
    """After so long without a byte there is nothing more to come."""

    async def run(self, session: Session) -> Answers:
        # On a slow machine the end may be sent only after the answer, but hardly every time.
        for _ in range(TRIES):
            began = time.perf_counter()
            async with open_stream(session.url, session.trace) as stream:
                await self._send(stream, session)
                is_in_time = time.perf_counter() - began < 2 * SEGMENT_SECONDS
                received, ended = await read_all(stream, self.quiet_seconds)
            if is_in_time or not self.half_close:
                break
        try:
            responses = tuple(
                Response(status, _compact(reply_in(wire.Response(status, [], body))))
                for status, body in responses_in(received)
            )
        except h11.RemoteProtocolError as error:
            raise wire.ClosedError(CloseCode.ABNORMAL_CLOSURE, str(error)) from error
        return Answers(responses, ended)

    async def _send(self, stream: Stream, session: Session) -> None:
        for number, segment in enumerate(self.segments):
            if number:
                await asyncio.sleep(SEGMENT_SECONDS)
            data = segment.replace(b"{path}", session.target.encode())
            data = data.replace(b"{host}", urlsplit(session.url).netloc.encode())
            stream.record("bytes", data, sent=True)
            await stream.write(data)
        if self.half_close:
            await asyncio.sleep(SEGMENT_SECONDS)
            stream.record("half-close", sent=True)
            stream.half_close()


def _compact(reply: Reply | ErrorReply | None) -> Reply | ErrorReply | None:
    """Write JSON without spaces: what is looked at is the server, and not the codec."""
    if not isinstance(reply, Reply):
        return reply
    try:
        value = json.loads(reply.text)
    except ValueError:
        return reply
    return Reply(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


# The scope.


@dataclass(frozen=True, slots=True)
class AskScope:
    """Connect with secrets, and look at what the consumer says of its connection."""

    query: str
    headers: tuple[Header, ...]
    secret: str

    async def run(self, session: Session) -> Observation:
        if session.exhibit.protocol == "websocket":
            path = f"{session.path}?{self.query}"
            connection = await session.open(path=path, headers=self.headers)
            text = str(await connection.receive())
        else:
            response = await session.request("GET", f"?{self.query}", headers=self.headers)
            text = response.body.decode(errors="backslashreplace")
        try:
            return self._read(text, session.path)
        except (AttributeError, KeyError, TypeError, ValueError):
            return Reply(text)  # it describes no scope

    def _read(self, text: str, path: str) -> Scope:
        scope = json.loads(text)
        sent = [name.lower() for name, _ in self.headers if name != "Cookie"]
        return Scope(
            has_path=scope["path"] == path,
            query=_pairs(scope["query"]),
            headers=_pairs(sorted(pair for pair in scope["headers"] if pair[0] in sent)),
            cookies=_pairs(scope["cookies"].items()),
            user=scope["user"]["name"],
            is_authenticated=scope["user"]["is_authenticated"],
            shows_secret=self.secret in text,
        )


@dataclass(frozen=True, slots=True)
class AskSubprotocols:
    """Connect with headers, and look at the subprotocols that the consumer knows."""

    headers: tuple[Header, ...]

    async def run(self, session: Session) -> Observation:
        connection = await session.open(headers=self.headers)
        text = str(await connection.receive())
        try:
            return Reply(" ".join(json.loads(text)["subprotocols"]))
        except (KeyError, TypeError, ValueError):
            return Reply(text)  # it describes no scope


def _pairs(pairs: Iterable[Iterable[str]]) -> tuple[Header, ...]:
    return tuple((name, value) for name, value in pairs)
