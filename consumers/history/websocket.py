"""The raw WebSocket type: the consumer decodes and encodes by itself."""

from time import sleep

from channels.generic.websocket import WebsocketConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import Error, answer, decode, encode
from consumers.history.sync_member import SyncMember


class HistoryConsumer(SyncMember, WebsocketConsumer):
    def connect(self) -> None:
        connection_log.connected(self.scope)
        newest = self.enter()
        self.accept()
        self.begin(newest)

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        connection_log.received(self.scope)
        request = decode(text_data or bytes_data or b"", settings.LIMITS)
        if request.delay:
            sleep(request.delay)
        published = self.publish(request)
        if isinstance(published, Error):
            self.send(encode(answer(published)))

    def send_text(self, text: str, _number: int | None = None) -> None:
        self.send(text)

    def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)
