"""The HTTP type: POST publishes, GET follows the room as server-sent events."""

from asyncio import sleep

from channels.generic.http import AsyncHttpConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import Error
from consumers.contract_http import HttpReply, decode_http, encode_http, json_headers
from consumers.history.async_member import AsyncMember
from consumers.rooms.event_stream import FOLLOW_METHODS, HEAD_REPLY, NOT_ACCEPTABLE, EventStream


class HistoryConsumer(EventStream, AsyncMember, AsyncHttpConsumer):
    async def follow(self) -> None:
        connection_log.received(self.scope)
        method = self.scope["method"]
        if isinstance(self.after, Error):
            await self.end_with(encode_http(method, self.after))
        if method == "HEAD":
            await self.end_with(HEAD_REPLY)
        newest = await self.enter()
        await self.begin_stream()
        await self.begin(newest)

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
            reply = encode_http(method, published)
        else:
            stored = published.encode()
            reply = HttpReply(202, stored, json_headers(stored))
        await self.send_response(**reply._asdict())

    async def send_text(self, text: str, number: int | None = None) -> None:
        # An EventSource that reconnects sends the last id that it has seen.
        event_id = "" if number is None else f"id: {number}\n"
        await self.send_body(f"{event_id}data: {text}\n\n".encode(), more_body=True)
