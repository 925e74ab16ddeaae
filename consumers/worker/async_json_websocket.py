"""The JSON WebSocket type, which lets a worker in another process do the echo.

The client chooses which, as in ``/worker/async-json-websocket/?worker=echo-sync``.
"""

from urllib.parse import parse_qsl

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from consumers import journal
from consumers.catalogue import WORKERS
from consumers.contract import Error, Request, decode
from consumers.worker.work import Desk


class EchoConsumer(AsyncJsonWebsocketConsumer):
    channel_layer_alias = "none"  # it listens to one only while it waits for an answer

    async def connect(self) -> None:
        journal.connected(self.scope)
        query = dict(parse_qsl(self.scope["query_string"].decode(errors="replace")))
        self.desk = Desk(query.get("worker", "echo-async"))
        if self.desk.channel in WORKERS:
            await self.accept()
        else:
            await self.close()

    # The stock method raises on binary and on empty messages, which closes the connection.
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        journal.received(self.scope)
        await self.receive_json(await self.decode_json(text_data or bytes_data or b""))

    async def receive_json(self, content: Request | Error) -> None:
        await self.send(await self.desk.ask(content))

    async def disconnect(self, code: int) -> None:
        journal.disconnected(self.scope, code)

    @classmethod
    async def decode_json(cls, text_data: str | bytes) -> Request | Error:
        return decode(text_data, settings.LIMITS)
