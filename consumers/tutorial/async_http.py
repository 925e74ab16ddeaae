"""The tutorial's consumer over HTTP: it does not check its input."""

import json
from typing import Any

from channels.generic.http import AsyncHttpConsumer

from consumers import connection_log


class ChatConsumer(AsyncHttpConsumer):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        connection_log.connected(scope)  # HTTP has no connect event
        await super().__call__(scope, receive, send)

    async def handle(self, body: bytes) -> None:
        connection_log.received(self.scope)
        body_json = json.loads(body)
        message = body_json["message"]
        await self.send_response(
            200,
            json.dumps({"message": message}).encode(),
            headers=[(b"Content-Type", b"application/json")],
        )

    async def disconnect(self) -> None:
        connection_log.disconnected(self.scope)
