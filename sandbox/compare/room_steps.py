"""What a probe can do where connections hear each other."""

import json
from asyncio import gather
from dataclasses import dataclass
from http import HTTPStatus

from consumers.catalogue import exhibits
from sandbox import wire
from sandbox.compare.observations import Closed, Heard, Observation, Reply, Response, Silence
from sandbox.compare.session import Member, Session, observed, reply_in

HEAR_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class JoinAll:
    """Bring a member of every type into the room, of the exhibit's edition where it has one."""

    async def run(self, session: Session) -> None:
        same = {one.slug: one for one in exhibits(session.exhibit.edition.name)}
        for exhibit in exhibits("rooms"):
            one = same.get(exhibit.slug, exhibit)
            session.members[one] = await session.join(one, session.room)


@dataclass(frozen=True, slots=True)
class VanishAll:
    """End the connections of all members without a close frame."""

    async def run(self, session: Session) -> None:
        for member in session.members.values():
            member.vanish()


@dataclass(frozen=True, slots=True)
class Say:
    """Let the member of the exhibit's own type speak."""

    text: str
    look_at_answer: bool = False
    """At what comes back to the speaker first; otherwise only a failure is seen."""

    async def run(self, session: Session) -> Observation | None:
        speaker = session.members[session.exhibit]
        if isinstance(speaker, wire.WebSocket):
            await speaker.send(self.text)
            return observed(await speaker.receive()) if self.look_at_answer else None
        response = await _post(session, session.room, self.text)
        if response.status == HTTPStatus.ACCEPTED and not self.look_at_answer:
            return None
        return session.without_status(Response(response.status, reply_in(response)))


@dataclass(frozen=True, slots=True)
class HearAll:
    """Look at the next messages of every member."""

    messages: int = 1

    async def run(self, session: Session) -> Observation:
        heard = await gather(*(hear(one, self.messages) for one in session.members.values()))
        slugs = (exhibit.slug for exhibit in session.members)
        return Heard(tuple(zip(slugs, heard, strict=True)))


def all_hear(*messages: str) -> Heard:
    """What HearAll returns when every member hears the same."""
    replies = tuple(map(Reply, messages))
    return Heard(tuple((exhibit.slug, replies) for exhibit in exhibits("rooms")))


@dataclass(frozen=True, slots=True)
class SayInTwoRooms:
    """Speak in one room and then in another, with a member in each."""

    async def run(self, session: Session) -> Observation:
        rooms = {"this room": session.room, "other room": f"{session.room}-other"}
        members = [await session.join(session.exhibit, room) for room in rooms.values()]
        for name, room in rooms.items():
            await _post(session, room, json.dumps({"message": name}))
        heard = [await hear(member, 1) for member in members]
        return Heard(tuple(zip(rooms, heard, strict=True)))


async def _post(session: Session, room: str, text: str) -> wire.Response:
    exhibit = next(one for one in exhibits("rooms") if one.protocol == "http")
    url = session.url + exhibit.url_in(room)
    return await wire.http("POST", url, body=text.encode(), trace=session.trace)


async def hear(member: Member, messages: int) -> tuple[Observation, ...]:
    heard: list[Observation] = []
    while len(heard) < messages:
        try:
            heard.append(observed(await member.receive(timeout=HEAR_SECONDS)))
        except TimeoutError:
            return (*heard, Silence(HEAR_SECONDS))
        except wire.ClosedError as closed:
            return (*heard, Closed(closed.code))
    return tuple(heard)
