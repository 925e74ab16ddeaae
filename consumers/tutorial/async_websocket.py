"""The tutorial's consumer: it does not check its input."""

import json

from channels.generic.websocket import AsyncWebsocketConsumer

from consumers import connection_log


class ChatConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        connection_log.connected(self.scope)
        await self.accept()

    async def receive(self, text_data: str) -> None:
        connection_log.received(self.scope)
        text_data_json = json.loads(text_data)
        message = text_data_json["message"]
        await self.send(text_data=json.dumps({"message": message}))

    async def disconnect(self, close_code: int) -> None:
        connection_log.disconnected(self.scope, close_code)
