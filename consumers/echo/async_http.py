"""The HTTP type: one request, one response, and a body that may arrive in parts."""

from asyncio import sleep
from typing import Any

from channels.generic.http import AsyncHttpConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract_http import decode_http, encode_http


class EchoConsumer(AsyncHttpConsumer):
    bytes_read = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        connection_log.connected(scope)  # HTTP has no connect event
        await super().__call__(scope, receive, send)

    async def http_request(self, message: Any) -> None:
        # A body that is too large is answered at once, without reading what follows.
        self.bytes_read += len(message.get("body", b""))
        if self.bytes_read > settings.LIMITS.max_message_bytes:
            message = {**message, "more_body": False}
        await super().http_request(message)

    async def handle(self, body: bytes) -> None:
        connection_log.received(self.scope)
        request = decode_http(self.scope, body, settings.LIMITS)
        if request.delay:
            await sleep(request.delay)
        reply = encode_http(self.scope["method"], request)
        await self.send_response(reply.status, reply.body, headers=reply.headers)

    async def disconnect(self) -> None:
        connection_log.disconnected(self.scope)
