"""The raw WebSocket type: the consumer decodes and encodes by itself."""

from asyncio import sleep

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import Error, answer, decode, encode
from consumers.history.async_member import AsyncMember


class HistoryConsumer(AsyncMember, AsyncWebsocketConsumer):
    async def connect(self) -> None:
        connection_log.connected(self.scope)
        newest = await self.enter()
        await self.accept()
        await self.begin(newest)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        connection_log.received(self.scope)
        request = decode(text_data or bytes_data or b"", settings.LIMITS)
        if request.delay:
            await sleep(request.delay)
        published = await self.publish(request)
        if isinstance(published, Error):
            await self.send(encode(answer(published)))

    async def send_text(self, text: str, _number: int | None = None) -> None:
        await self.send(text)

    async def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)
