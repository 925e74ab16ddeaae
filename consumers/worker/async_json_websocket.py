"""The JSON WebSocket type, with a worker in another process that does the echo.

The client chooses the worker, as in ``/worker/async-json-websocket/?worker=echo-sync``.
"""

from urllib.parse import parse_qsl

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from consumers import connection_log
from consumers.catalogue import WORKERS
from consumers.contract import Error, Request, decode
from consumers.worker.worker_client import WorkerClient


class EchoConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        connection_log.connected(self.scope)
        query = dict(parse_qsl(self.scope["query_string"].decode(errors="replace")))
        self.worker = WorkerClient(query.get("worker", "echo-async"))
        if self.worker.channel in WORKERS:
            await self.accept()
        else:
            await self.close()

    # Channels' own method raises on binary and on empty messages, which ends the connection.
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        connection_log.received(self.scope)
        await self.receive_json(await self.decode_json(text_data or bytes_data or b""))

    async def receive_json(self, content: Request | Error) -> None:
        await self.send(await self.worker.echo(content))

    async def disconnect(self, code: int) -> None:
        self.worker.close()
        connection_log.disconnected(self.scope, code)

    @classmethod
    async def decode_json(cls, text_data: str | bytes) -> Request | Error:
        return decode(text_data, settings.LIMITS)
