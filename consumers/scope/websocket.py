"""The scope over a WebSocket: sent once, on connect."""

from channels.generic.websocket import WebsocketConsumer

from consumers import journal
from consumers.contract import encode
from consumers.scope.description import describe


class ScopeConsumer(WebsocketConsumer):
    channel_layer_alias = "none"  # no such layer: this lives without Redis

    def connect(self) -> None:
        journal.connected(self.scope)
        self.accept()
        self.send(encode(describe(self.scope)))

    def disconnect(self, code: int) -> None:
        journal.disconnected(self.scope, code)
