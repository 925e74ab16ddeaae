"""The tutorial's consumer with the codec that Channels brings: it trusts what it is sent."""

from typing import Any

from channels.generic.websocket import JsonWebsocketConsumer

from consumers import journal


class ChatConsumer(JsonWebsocketConsumer):
    channel_layer_alias = "none"  # no such layer: an echo lives without Redis

    def connect(self) -> None:
        journal.connected(self.scope)
        self.accept()

    def receive_json(self, content: dict[str, Any]) -> None:
        journal.received(self.scope)
        self.send_json({"message": content["message"]})

    def disconnect(self, close_code: int) -> None:
        journal.disconnected(self.scope, close_code)
