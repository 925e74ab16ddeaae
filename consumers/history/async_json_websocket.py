"""The JSON WebSocket type: decode_json and encode_json use the contract's codec."""

from asyncio import sleep

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import Error, Reply, Request, answer, decode, encode
from consumers.history.async_member import AsyncMember


class HistoryConsumer(AsyncMember, AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        connection_log.connected(self.scope)
        newest = await self.enter()
        await self.accept()
        await self.begin(newest)

    # Channels' own method raises on binary and on empty messages, which ends the connection.
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        connection_log.received(self.scope)
        await self.receive_json(await self.decode_json(text_data or bytes_data or b""))

    async def receive_json(self, content: Request | Error) -> None:
        if content.delay:
            await sleep(content.delay)
        published = await self.publish(content)
        if isinstance(published, Error):
            await self.send_json(answer(published))

    async def send_text(self, text: str, _number: int | None = None) -> None:
        await self.send(text)

    async def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)

    @classmethod
    async def decode_json(cls, text_data: str | bytes) -> Request | Error:
        return decode(text_data, settings.LIMITS)

    @classmethod
    async def encode_json(cls, content: Reply) -> str:
        return encode(content)
