"""The raw WebSocket type: the consumer decodes and encodes by itself."""

from time import sleep

from channels.generic.websocket import WebsocketConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import answer, decode, encode
from consumers.tuned.mixins import ThreadPoolDispatchMixin


class EchoConsumer(ThreadPoolDispatchMixin, WebsocketConsumer):
    def connect(self) -> None:
        connection_log.connected(self.scope)
        self.accept()

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        connection_log.received(self.scope)
        request = decode(text_data or bytes_data or b"", settings.LIMITS)
        if request.delay:
            sleep(request.delay)
        self.send(encode(answer(request)))

    def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)
