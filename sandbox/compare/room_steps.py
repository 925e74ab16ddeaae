"""What a probe can do where connections hear each other, or tell about themselves."""

import json
from asyncio import gather
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus

from consumers.catalogue import Exhibit, exhibits
from sandbox.compare.steps import Session, brief
from sandbox.wire import (
    ClosedError,
    EventStream,
    RefusedError,
    WebSocket,
    event_stream,
    http,
    websocket,
)

DOORS = exhibits("rooms")
"""The types, by which one may be in a room."""
SECRET = "c2VjcmV0"  # noqa: S105 # and nobody's


async def _enter(
    stack: AsyncExitStack, session: Session, door: Exhibit, room: str
) -> WebSocket | EventStream:
    url = session.url + door.url_in(room)
    if door.protocol == "websocket":
        return await stack.enter_async_context(websocket(url, trace=session.trace))
    return await stack.enter_async_context(event_stream(url, trace=session.trace))


@dataclass(frozen=True, slots=True)
class Conversation:
    """Bring a member of every type into one room; let the exhibit's own type speak."""

    said: tuple[str, ...]
    heard: tuple[str, ...]
    """What every member then hears, the speaker too."""
    told: str = ""
    """``error <code>``: what the speaker alone is told, before."""
    after_a_loss: bool = False
    """First one more member of every type vanishes without a close."""

    @property
    def expected(self) -> str:
        return "; ".join(filter(None, (self.told, f"all hear {brief(' '.join(self.heard))}")))

    async def run(self, session: Session) -> str:
        words = []
        async with AsyncExitStack() as stack:
            if self.after_a_loss:
                async with AsyncExitStack() as lost:
                    for door in DOORS:
                        (await _enter(lost, session, door, session.room)).vanish()
            members = [await _enter(stack, session, door, session.room) for door in DOORS]
            speaker = members[DOORS.index(session.exhibit)]
            for text in self.said:
                if isinstance(speaker, WebSocket):
                    await speaker.send(text)
                else:
                    url, body = session.url + session.path, text.encode()
                    reply = await http("POST", url, body=body, trace=session.trace)
                    if reply.status != HTTPStatus.ACCEPTED:
                        words.append(session.words(reply.body.decode()))
            if self.told and isinstance(speaker, WebSocket):
                words.append(session.words(str(await speaker.receive())))
            differing = await gather(*map(self._hear, DOORS, members))
            words.append(next(filter(None, differing), f"all hear {brief(' '.join(self.heard))}"))
        return "; ".join(words)

    async def _hear(self, door: Exhibit, member: WebSocket | EventStream) -> str:
        """Say what this member hears, if it is something else."""
        for message in self.heard:
            try:
                heard = str(await member.receive(timeout=5))
            except TimeoutError:
                heard = "nothing"
            except ClosedError as closed:
                heard = str(closed)
            if heard != message:
                return f"{door.slug} hears {brief(heard)}"
        return ""


@dataclass(frozen=True, slots=True)
class NextDoor:
    """Speak in one room and then in another, with somebody in each."""

    expected: str = "each hears what was said in its room"

    async def run(self, session: Session) -> str:
        other = f"{session.room}-next"
        async with AsyncExitStack() as stack:
            here = await _enter(stack, session, session.exhibit, session.room)
            there = await _enter(stack, session, session.exhibit, other)
            door = next(door for door in DOORS if door.protocol == "http")
            for room in (session.room, other):
                body = json.dumps({"message": room}).encode()
                await http("POST", session.url + door.url_in(room), body=body, trace=session.trace)
            heard = str(await here.receive()), str(await there.receive())
        if heard == (f'{{"message":"{session.room}"}}', f'{{"message":"{other}"}}'):
            return self.expected
        return f"heard {brief(' '.join(heard))}"


@dataclass(frozen=True, slots=True)
class EnterRoom:
    """Connect to a room of that name."""

    name: str
    """As it stands in the URL, percent-encoded."""
    expected: str

    async def run(self, session: Session) -> str:
        url = session.url + session.exhibit.url_in(self.name)
        try:
            async with websocket(url, trace=session.trace):
                return "open"
        except RefusedError as refused:
            return f"refused {refused.status}"


@dataclass(frozen=True, slots=True)
class Worked:
    """Ask a good request of a worker, who need not be there."""

    expected: str = "the echo, or why there is none"

    async def run(self, session: Session) -> str:
        words = await session.ask('{"message": [1e22]}')
        session.details.clear()
        if words in ('{"message":[1e22]}', "error no_worker", "error unavailable"):
            return self.expected
        return words


@dataclass(frozen=True, slots=True)
class ScopeTold:
    """Connect with secrets, and look at what is told about the connection."""

    expected: str = "path, query, headers, cookies and user; no secret"

    async def run(self, session: Session) -> str:
        suffix = f"?message=%C3%A9&token={SECRET}"
        headers = (
            ("Authorization", f"Basic {SECRET}"),
            ("Cookie", f"theme={SECRET}"),
            ("X-Name", "plain"),
        )
        if session.exhibit.protocol == "websocket":
            connection = await session.open(suffix=suffix, headers=headers)
            text = str(await connection.receive())
        else:
            text = (await session.request("GET", suffix, headers=headers)).body.decode()
        told = json.loads(text)
        is_told = (
            told["path"] == session.path
            and told["query"] == [["message", "é"], ["token", "***"]]
            and ["x-name", "plain"] in told["headers"]
            and ["authorization", "***"] in told["headers"]
            and told["cookies"] == {"theme": "***"}
            and told["user"] == {"name": "", "is_authenticated": False}
        )
        return self.expected if is_told and SECRET not in text else brief(text)
