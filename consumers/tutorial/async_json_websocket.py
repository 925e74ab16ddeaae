"""The tutorial's consumer with the codec that Channels brings: it trusts what it is sent."""

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from consumers import journal


class ChatConsumer(AsyncJsonWebsocketConsumer):
    channel_layer_alias = "none"  # no such layer: an echo lives without Redis

    async def connect(self) -> None:
        journal.connected(self.scope)
        await self.accept()

    async def receive_json(self, content: dict[str, Any]) -> None:
        journal.received(self.scope)
        await self.send_json({"message": content["message"]})

    async def disconnect(self, close_code: int) -> None:
        journal.disconnected(self.scope, close_code)
