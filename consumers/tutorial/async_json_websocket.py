"""The tutorial's consumer with Channels' own codec: it does not check its input."""

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from consumers import connection_log


class ChatConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        connection_log.connected(self.scope)
        await self.accept()

    async def receive_json(self, content: dict[str, Any]) -> None:
        connection_log.received(self.scope)
        await self.send_json({"message": content["message"]})

    async def disconnect(self, close_code: int) -> None:
        connection_log.disconnected(self.scope, close_code)
