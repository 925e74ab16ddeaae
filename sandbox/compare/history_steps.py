"""What a probe can do in a room that remembers."""

from dataclasses import dataclass
from http import HTTPStatus

from consumers.catalogue import exhibits
from sandbox import wire
from sandbox.compare.observations import Heard, Observation, Reply, Response
from sandbox.compare.room_steps import hear
from sandbox.compare.session import Session, reply_in


@dataclass(frozen=True, slots=True)
class Store:
    """Publish one message for each number, which is its id too if the room was empty."""

    first: int
    last: int

    async def run(self, session: Session) -> Observation | None:
        (http,) = (one for one in exhibits("history") if one.protocol == "http")
        url = session.url + http.url_in(session.room)
        for number in range(self.first, self.last + 1):
            body = f'{{"message": {number}}}'.encode()
            response = await wire.http("POST", url, body=body, trace=session.trace)
            if response.status != HTTPStatus.ACCEPTED:
                return Response(response.status, reply_in(response))
        return None


@dataclass(frozen=True, slots=True)
class Return:
    """Connect as a client that may have been there before."""

    query: str = ""
    last_event_id: str = ""

    async def run(self, session: Session) -> None:
        headers = [("Last-Event-ID", self.last_event_id)] if self.last_event_id else []
        session.members[session.exhibit] = await session.join(
            session.exhibit, session.room, self.query, headers
        )


@dataclass(frozen=True, slots=True)
class Hear:
    """Look at the next messages of the client that returned."""

    messages: int

    async def run(self, session: Session) -> Observation:
        heard = await hear(session.members[session.exhibit], self.messages)
        return Heard((("client", heard),))


def stored(first: int, last: int) -> Heard:
    """What Hear returns for these numbers, in order."""
    numbers = range(first, last + 1)
    replies = tuple(Reply(f'{{"id":{number},"message":{number}}}') for number in numbers)
    return Heard((("client", replies),))
