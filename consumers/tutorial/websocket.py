"""The tutorial's consumer: it trusts what it is sent."""

import json

from channels.generic.websocket import WebsocketConsumer

from consumers import journal


class ChatConsumer(WebsocketConsumer):
    channel_layer_alias = "none"  # no such layer: an echo lives without Redis

    def connect(self) -> None:
        journal.connected(self.scope)
        self.accept()

    def receive(self, text_data: str) -> None:
        journal.received(self.scope)
        text_data_json = json.loads(text_data)
        message = text_data_json["message"]
        self.send(text_data=json.dumps({"message": message}))

    def disconnect(self, close_code: int) -> None:
        journal.disconnected(self.scope, close_code)
