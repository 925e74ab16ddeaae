"""The HTTP type: POST publishes, GET follows the room as server-sent events."""

from asyncio import sleep
from typing import Any

from channels.generic.http import AsyncHttpConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import Error
from consumers.contract_http import decode_http, encode_http
from consumers.rooms.event_stream import FOLLOW_METHODS, HEAD_REPLY, NOT_ACCEPTABLE, EventStream
from consumers.rooms.member import Member


class RoomConsumer(EventStream, Member, AsyncHttpConsumer):
    async def follow(self) -> None:
        connection_log.received(self.scope)
        if self.scope["method"] == "HEAD":
            await self.end_with(HEAD_REPLY)
        await self.join()
        await self.begin_stream()

    async def handle(self, body: bytes) -> None:
        connection_log.received(self.scope)
        method = self.scope["method"]
        request = decode_http(self.scope, body, settings.LIMITS)
        if method in FOLLOW_METHODS:
            request = NOT_ACCEPTABLE
        if request.delay:
            await sleep(request.delay)
        published = await self.publish(request)
        reply = encode_http(method, published)
        if not isinstance(published, Error):
            reply = reply._replace(status=202)
        await self.send_response(**reply._asdict())

    async def room_message(self, event: Any) -> None:
        await self.send_body(f"data: {event['text']}\n\n".encode(), more_body=True)
