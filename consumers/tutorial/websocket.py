"""The tutorial's consumer: it does not check its input."""

import json

from channels.generic.websocket import WebsocketConsumer

from consumers import connection_log


class ChatConsumer(WebsocketConsumer):
    def connect(self) -> None:
        connection_log.connected(self.scope)
        self.accept()

    def receive(self, text_data: str) -> None:
        connection_log.received(self.scope)
        text_data_json = json.loads(text_data)
        message = text_data_json["message"]
        self.send(text_data=json.dumps({"message": message}))

    def disconnect(self, close_code: int) -> None:
        connection_log.disconnected(self.scope, close_code)
