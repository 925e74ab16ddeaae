"""The tutorial's consumer over HTTP: it trusts what it is sent."""

import json

from channels.generic.http import AsyncHttpConsumer

from consumers import journal


class ChatConsumer(AsyncHttpConsumer):
    channel_layer_alias = "none"  # no such layer: an echo lives without Redis

    async def handle(self, body: bytes) -> None:
        journal.received(self.scope)
        body_json = json.loads(body)
        message = body_json["message"]
        await self.send_response(
            200,
            json.dumps({"message": message}).encode(),
            headers=[(b"Content-Type", b"application/json")],
        )

    async def disconnect(self) -> None:
        journal.disconnected(self.scope)
