"""Every message back as it came, text as text and binary as binary: nothing reads it."""

from channels.generic.websocket import AsyncWebsocketConsumer

from consumers import connection_log


class MirrorConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        connection_log.connected(self.scope)
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        connection_log.received(self.scope)
        await self.send(text_data, bytes_data)

    async def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)
