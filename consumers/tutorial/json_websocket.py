"""The tutorial's consumer with Channels' own codec: it does not check its input."""

from typing import Any

from channels.generic.websocket import JsonWebsocketConsumer

from consumers import connection_log


class ChatConsumer(JsonWebsocketConsumer):
    def connect(self) -> None:
        connection_log.connected(self.scope)
        self.accept()

    def receive_json(self, content: dict[str, Any]) -> None:
        connection_log.received(self.scope)
        self.send_json({"message": content["message"]})

    def disconnect(self, close_code: int) -> None:
        connection_log.disconnected(self.scope, close_code)
