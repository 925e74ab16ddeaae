"""The JSON WebSocket type: decode_json and encode_json use the contract's codec."""

from time import sleep
from typing import Any

from asgiref.sync import async_to_sync
from channels.generic.websocket import JsonWebsocketConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import Error, Reply, Request, answer, decode, encode
from consumers.rooms.member import Member
from consumers.tuned.mixins import ThreadPoolDispatchMixin


class RoomConsumer(Member, ThreadPoolDispatchMixin, JsonWebsocketConsumer):
    def connect(self) -> None:
        connection_log.connected(self.scope)
        async_to_sync(self.join)()
        self.accept()

    # Channels' own method raises on binary and on empty messages, which ends the connection.
    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        connection_log.received(self.scope)
        self.receive_json(self.decode_json(text_data or bytes_data or b""))

    def receive_json(self, content: Request | Error) -> None:
        if content.delay:
            sleep(content.delay)
        published = async_to_sync(self.publish)(content)
        if isinstance(published, Error):
            self.send_json(answer(published))

    def room_message(self, event: Any) -> None:
        self.send(event["text"])

    def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)

    @classmethod
    def decode_json(cls, text_data: str | bytes) -> Request | Error:
        return decode(text_data, settings.LIMITS)

    @classmethod
    def encode_json(cls, content: Reply) -> str:
        return encode(content)
