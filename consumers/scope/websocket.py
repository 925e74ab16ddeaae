"""The scope over a WebSocket: sent once, on connect."""

from channels.generic.websocket import WebsocketConsumer

from consumers import connection_log
from consumers.contract import encode
from consumers.scope.description import describe


class ScopeConsumer(WebsocketConsumer):
    def connect(self) -> None:
        connection_log.connected(self.scope)
        self.accept()
        self.send(encode(describe(self.scope)))

    def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)
