"""The raw WebSocket type: the consumer decodes and encodes by itself."""

from time import sleep
from typing import Any

from asgiref.sync import async_to_sync
from channels.generic.websocket import WebsocketConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import Error, answer, decode, encode
from consumers.rooms.member import Member
from consumers.tuned.mixins import ThreadPoolDispatchMixin


class RoomConsumer(Member, ThreadPoolDispatchMixin, WebsocketConsumer):
    def connect(self) -> None:
        connection_log.connected(self.scope)
        async_to_sync(self.join)()
        self.accept()

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        connection_log.received(self.scope)
        request = decode(text_data or bytes_data or b"", settings.LIMITS)
        if request.delay:
            sleep(request.delay)
        published = async_to_sync(self.publish)(request)
        if isinstance(published, Error):
            self.send(encode(answer(published)))

    def room_message(self, event: Any) -> None:
        self.send(event["text"])

    def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)
