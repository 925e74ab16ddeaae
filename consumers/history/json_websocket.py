"""The JSON WebSocket type: decode_json and encode_json use the contract's codec."""

from time import sleep

from channels.generic.websocket import JsonWebsocketConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import Error, Reply, Request, answer, decode, encode
from consumers.history.sync_member import SyncMember


class HistoryConsumer(SyncMember, JsonWebsocketConsumer):
    def connect(self) -> None:
        connection_log.connected(self.scope)
        newest = self.enter()
        self.accept()
        self.begin(newest)

    # Channels' own method raises on binary and on empty messages, which ends the connection.
    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        connection_log.received(self.scope)
        self.receive_json(self.decode_json(text_data or bytes_data or b""))

    def receive_json(self, content: Request | Error) -> None:
        if content.delay:
            sleep(content.delay)
        published = self.publish(content)
        if isinstance(published, Error):
            self.send_json(answer(published))

    def send_text(self, text: str, _number: int | None = None) -> None:
        self.send(text)

    def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)

    @classmethod
    def decode_json(cls, text_data: str | bytes) -> Request | Error:
        return decode(text_data, settings.LIMITS)

    @classmethod
    def encode_json(cls, content: Reply) -> str:
        return encode(content)
