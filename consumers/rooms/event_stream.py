"""What the HTTP types of a room have in common: a GET that lasts, as server-sent events."""

from asyncio import Task, create_task, sleep
from typing import Any, NoReturn

from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from django.conf import settings
from django.http.request import MediaType

from consumers import connection_log
from consumers.channel_layer import UNAVAILABLE
from consumers.contract import Error
from consumers.contract_http import HttpReply, encode_http
from consumers.rooms.member import Member

KEEP_ALIVE = 15.0
"""Seconds between two comments: without them a proxy may end a stream that sends nothing."""
HEADERS = [
    (b"Content-Type", b"text/event-stream"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cache-Control", b"no-store"),
]
HEAD_REPLY = HttpReply(200, b"", HEADERS)
FOLLOW_METHODS = ("GET", "HEAD")
NOT_ACCEPTABLE = Error(
    "not_acceptable", "GET follows the room: ask for it with Accept: text/event-stream."
)


class EventStream(Member, AsyncHttpConsumer):
    """A mixin: a GET or HEAD that asks for events gets to ``follow``, all else to ``handle``."""

    announced = True
    bytes_read = 0
    keep_alive: Task[None] | None = None
    """Sends the comments, once the stream has begun: a consumer may end before."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        connection_log.connected(scope)  # HTTP has no connect event
        await super().__call__(scope, receive, send)

    async def http_request(self, message: Any) -> None:
        if self.scope["method"] in FOLLOW_METHODS and accepts_events(self.scope):
            # Channels' own method would end the consumer, and would not see a disconnect.
            if not message.get("more_body"):
                await self.follow()
            return
        # A body that is too large is answered at once, without reading what follows.
        self.bytes_read += len(message.get("body", b""))
        if self.bytes_read > settings.LIMITS.max_message_bytes:
            message = {**message, "more_body": False}
        await super().http_request(message)

    async def follow(self) -> None:
        """Join the room and begin the stream, or end with a reply."""
        raise NotImplementedError

    async def begin_stream(self) -> None:
        self.keep_alive = create_task(self.send_comments())
        await self.send_headers(headers=HEADERS)
        await self.send_body(b": following\n\n", more_body=True)

    async def send_comments(self) -> None:
        while True:
            await sleep(KEEP_ALIVE)
            await self.send_body(b": still here\n\n", more_body=True)

    async def end_with(self, reply: HttpReply) -> NoReturn:
        """Answer a request for events without a stream."""
        await self.send_response(**reply._asdict())
        await self.disconnect()
        raise StopConsumer

    async def leave(self) -> None:
        if self.keep_alive:
            self.keep_alive.cancel()
        await super().leave()

    async def disconnect(self) -> None:
        connection_log.disconnected(self.scope)

    async def close_unavailable(self, send: Any) -> None:
        self.base_send = send
        if self.joined:
            await self.send_body(b"")  # ends the stream: an EventSource reconnects by itself
        else:
            await self.send_response(**encode_http(self.scope["method"], UNAVAILABLE)._asdict())


def accepts_events(scope: Any) -> bool:
    """Whether Accept, as Django reads it, names event streams with a quality other than 0.

    ``*/*`` does not name them: curl sends that with every request.
    """
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
    try:
        accepted = [MediaType(part) for part in ",".join(lines).split(",")]
    except (LookupError, ValueError):  # a parameter in an encoding that does not exist
        return False
    return any(
        f"{one.main_type}/{one.sub_type}" == "text/event-stream" and one.quality for one in accepted
    )
