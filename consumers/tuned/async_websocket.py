"""The raw WebSocket type: the consumer decodes and encodes by itself."""

from asyncio import sleep

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import answer, decode, encode
from consumers.tuned.mixins import DirectWebsocketDispatchMixin


class EchoConsumer(DirectWebsocketDispatchMixin, AsyncWebsocketConsumer):
    async def connect(self) -> None:
        connection_log.connected(self.scope)
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        connection_log.received(self.scope)
        request = decode(text_data or bytes_data or b"", settings.LIMITS)
        if request.delay:
            await sleep(request.delay)
        await self.send(encode(answer(request)))

    async def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)
