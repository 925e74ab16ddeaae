"""The raw WebSocket type: the consumer decodes and encodes for itself."""

from time import sleep

from channels.generic.websocket import WebsocketConsumer
from django.conf import settings

from consumers import journal
from consumers.contract import answer, decode, encode
from consumers.tuned.mixins import OneHop


class EchoConsumer(OneHop, WebsocketConsumer):
    channel_layer_alias = "none"  # no such layer: an echo lives without Redis

    def connect(self) -> None:
        journal.connected(self.scope)
        self.accept()

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        journal.received(self.scope)
        request = decode(text_data or bytes_data or b"", settings.LIMITS)
        if request.delay:
            sleep(request.delay)
        self.send(encode(answer(request)))

    def disconnect(self, code: int) -> None:
        journal.disconnected(self.scope, code)
