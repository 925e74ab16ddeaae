"""Devices that speak MQTT to a broker, and the protocol server in a thread of the tests."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Self
from uuid import uuid4

from consumers.catalogue import DEVICES
from sandbox.asgi import application
from sandbox.mqtt.connection import Connection
from sandbox.mqtt.packets import V5, Message
from sandbox.mqtt.server import Server
from sandbox.mqtt.url import read_url
from tests.support.asgi import TIMEOUT
from tests.support.logs import Log
from tests.support.strategies import Frame


class Device:
    """A client of a broker. It acknowledges what it has, and keeps it in ``messages``.

    Without a name it has a new one, ``topic`` ends with ``<client>/request``.
    """

    def __init__(
        self, url: str, topic: str, *, qos: int = 1, client: str = "", version: int = V5
    ) -> None:
        self.client = client or uuid4().hex
        self.topic = topic.replace("<client>", self.client)
        self.reply_topic = self.topic.replace("/request", "/reply")
        self.qos = qos
        self.version = version
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.lost = asyncio.Event()
        self.is_there = asyncio.Event()
        """While ``stay`` runs."""
        self.connection: Connection
        self._broker = read_url(url)

    async def open(self) -> None:
        self.lost = asyncio.Event()
        self.connection = await Connection.open(
            self._broker, self.client, self.version, self._take, lambda _: self.lost.set()
        )
        self.connection.subscribe(self.reply_topic, self.qos)

    async def stay(self) -> None:
        """Connect, and connect again; what is not acknowledged is published again."""
        left: list[Message] = []
        while True:
            try:
                await self.open()
            except OSError:
                await asyncio.sleep(0.02)
                continue
            self.connection.publish_again(left)
            self.is_there.set()
            await self.lost.wait()
            self.is_there.clear()
            left = self.connection.unacknowledged

    async def close(self, code: int = 0) -> None:  # noqa: ARG002 # MQTT has no close codes here
        self.connection.close()
        async with asyncio.timeout(TIMEOUT):
            await self.lost.wait()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self.lost.is_set():
            await self.close()

    def _take(self, message: Message) -> None:
        self.messages.put_nowait(message)
        if message.id:
            self.connection.acknowledge(message.id)

    async def publish(self, frame: Frame, *, topic: str = "", retain: bool = False) -> bool:
        """Publish a request, or on another topic; return whether the connection was there."""
        payload = frame.encode(errors="surrogatepass") if isinstance(frame, str) else frame
        return await self.connection.publish(
            Message(topic or self.topic, payload, self.qos, retain)
        )

    async def send(self, frame: Frame) -> None:
        await self.publish(frame)

    async def message(self) -> Message:
        async with asyncio.timeout(TIMEOUT):
            return await self.messages.get()

    async def receive(self) -> bytes:
        message = await self.message()
        assert (message.topic, message.qos) == (self.reply_topic, self.qos)
        assert not message.retain
        return message.payload

    async def ask(self, frame: Frame) -> bytes:
        await self.send(frame)
        return await self.receive()


class ServerThread:
    """A protocol server in a thread with an event loop of its own."""

    def __init__(self, url: str, app: Any = application, client_id: str = "") -> None:
        self._url = url
        self._application = app
        self._client_id = client_id or uuid4().hex
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._loop: asyncio.AbstractEventLoop
        self._server: Server

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = Server(self._application, read_url(self._url), self._client_id)
        self._ready.set()
        await self._server.run()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(TIMEOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.end)
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(TIMEOUT):
        while not condition():
            await asyncio.sleep(0.01)


async def subscribed(log: Log, *, times: int = 1) -> None:
    """Wait until the broker gives requests to the protocol server that writes this log.

    ``times`` counts the connections since the log began.
    """
    filters = [one.topic.replace("<client>", "+") for one in DEVICES]
    await eventually(lambda: all(log.count(f"{one}: subscribed") >= times for one in filters))


async def answered(url: str, topic: str, *, version: int = V5) -> None:
    """Wait until devices are answered."""
    async with Device(url, topic, version=version) as device, asyncio.timeout(TIMEOUT):
        while device.messages.empty():
            await device.send(b'{"message": "anybody there?"}')
            await asyncio.sleep(0.1)
