"""The HTTP type: POST publishes, GET follows the room as server-sent events."""

from asyncio import Task, create_task, sleep
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from django.conf import settings

from consumers import connection_log
from consumers.accept import asks_for
from consumers.channel_layer import UNAVAILABLE
from consumers.contract import Error
from consumers.contract_http import decode_http, encode_http, json_headers
from consumers.history.async_member import AsyncMember

KEEP_ALIVE = 15.0
"""Seconds between two comments: without them a proxy may end a stream that sends nothing."""
EVENT_STREAM = [
    (b"Content-Type", b"text/event-stream"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cache-Control", b"no-store"),
]
FOLLOW_METHODS = ("GET", "HEAD")
NOT_ACCEPTABLE = Error(
    "not_acceptable", "GET follows the room: ask for it with Accept: text/event-stream."
)


class HistoryConsumer(AsyncMember, AsyncHttpConsumer):
    announced = True
    bytes_read = 0
    keep_alive: Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        connection_log.connected(scope)  # HTTP has no connect event
        await super().__call__(scope, receive, send)

    async def http_request(self, message: Any) -> None:
        if self._asks_for_events():
            # Channels' own method would end the consumer, and would not see a disconnect.
            if not message.get("more_body"):
                await self.follow()
            return
        # A body that is too large is answered at once, without reading what follows.
        self.bytes_read += len(message.get("body", b""))
        if self.bytes_read > settings.LIMITS.max_message_bytes:
            message = {**message, "more_body": False}
        await super().http_request(message)

    async def handle(self, body: bytes) -> None:
        connection_log.received(self.scope)
        method = self.scope["method"]
        request = decode_http(self.scope, body, settings.LIMITS)
        if method in FOLLOW_METHODS:
            request = NOT_ACCEPTABLE
        if request.delay:
            await sleep(request.delay)
        published = await self.publish(request)
        if isinstance(published, Error):
            await self.send_response(**encode_http(method, published)._asdict())
        else:
            reply = published.encode()
            await self.send_response(202, reply, headers=json_headers(reply))

    async def follow(self) -> None:
        connection_log.received(self.scope)
        method = self.scope["method"]
        if isinstance(self.after, Error):
            await self.send_response(**encode_http(method, self.after)._asdict())
            await self.end()
        if method == "HEAD":
            await self.send_response(200, b"", headers=EVENT_STREAM)
            await self.end()
        newest = await self.enter()
        self.keep_alive = create_task(self.send_comments())
        await self.send_headers(headers=EVENT_STREAM)
        await self.send_body(b": following\n\n", more_body=True)
        await self.begin(newest)

    async def end(self) -> None:
        await self.disconnect()
        raise StopConsumer

    async def send_comments(self) -> None:
        while True:
            await sleep(KEEP_ALIVE)
            await self.send_body(b": still here\n\n", more_body=True)

    async def send_text(self, text: str, number: int | None = None) -> None:
        # An EventSource that reconnects sends the last id that it has seen.
        event_id = "" if number is None else f"id: {number}\n"
        await self.send_body(f"{event_id}data: {text}\n\n".encode(), more_body=True)

    async def leave(self) -> None:
        if self.keep_alive:  # it may end while it joins
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

    def _asks_for_events(self) -> bool:
        return self.scope["method"] in FOLLOW_METHODS and asks_for(self.scope, "text/event-stream")
