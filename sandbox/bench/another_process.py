"""Clients whose answer is given by another process than the server's, and what runs for them."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from tempfile import TemporaryDirectory
from typing import Literal

from django.utils.crypto import get_random_string

from consumers.catalogue import BOTS, CATALOGUE, WORKERS
from consumers.contract import Request, answer, encode
from sandbox.bench.client import Connection, connect, disconnect, ignore_loss, ignore_reply
from sandbox.bench.cores import starting_several_processes
from sandbox.bench.load import request
from sandbox.bench.plan import SMALL
from sandbox.bench.testbed import Testbed, UnmeasurableError, started
from sandbox.processes.mosquitto import find_mosquitto
from sandbox.processes.redis import Redis
from sandbox.processes.worker import working

ECHO, ROOM = "echo/async-json-websocket", "rooms/async-websocket"
"""The baselines, which the server's own process answers."""
TO_MEMBERS, TO_DEVICES = "mqtt/bridge-to-members", "mqtt/bridge-to-devices"
PATHS = {one.id: one.url_in("{room}") for one in CATALOGUE}
COMMAND = "/echo "
MOST_CLIENTS = 100
"""As many requests may wait for a worker, and as many rooms may the bridge be in."""
ATTEMPT_SECONDS, BRIDGE_SECONDS = 0.5, 30.0
"""How long to wait for a message through the bridge until the next is sent, and in all."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where a client connects, and who answers it."""

    baseline: str
    path: str
    bot: str = ""
    """That answers; empty for none."""
    device: Literal["", "sends", "hears"] = ""
    """Which side of a bridge is a device; the other one is a member."""

    def question(self) -> tuple[bytes, object]:
        """Give what a client sends, and the message of the answer to it."""
        text: str = json.loads(request(SMALL))["message"]
        if not self.bot:
            return request(SMALL), text
        said = text[len(COMMAND) :]  # as many bytes as the others send
        return encode(answer(Request(COMMAND + said))).encode(), {"bot": self.bot, "text": said}


WAYS = {
    ECHO: Way(ECHO, PATHS[ECHO]),
    **{
        f"worker/{name}": Way(ECHO, f"{PATHS['worker/async-json-websocket']}?worker={name}")
        for name in WORKERS
    },
    ROOM: Way(ROOM, PATHS[ROOM]),
    **{f"bot/{name.removeprefix('bot-')}": Way(ROOM, PATHS[ROOM], bot=name) for name in BOTS},
    TO_MEMBERS: Way(ROOM, PATHS[ROOM], device="sends"),
    TO_DEVICES: Way(ROOM, PATHS[ROOM], device="hears"),
}
"""By name; the baselines are among them."""


class Through:
    """Sends on one connection, and has for replies what comes on another one."""

    def __init__(self, sender: Connection, hearer: Connection, prefix: bytes = b"") -> None:
        self.on_reply: Callable[[bytes], None] = ignore_reply
        self.on_lost: Callable[[], None] = ignore_loss
        self.send = sender.send
        self._both, self._prefix = (sender, hearer), prefix
        hearer.on_reply = self._hear
        for one in self._both:
            one.on_lost = self._lose

    def _hear(self, message: bytes) -> None:
        if message.startswith(self._prefix):
            self.on_reply(message)

    def _lose(self) -> None:
        self.on_lost()

    def close(self) -> None:
        for one in self._both:
            one.close()


@dataclass
class Running:
    """The addresses of the server, and of the broker, if there is one."""

    server: str
    broker: str = ""
    rooms: int = 0
    """So many have been used that neither a bot nor the bridge is in."""

    async def client(self, way: Way, number: int) -> Connection:
        """Connect a client, in a room of its own. Raises UnmeasurableError."""
        self.rooms += 1
        room = room_of(way, number) or f"room-{self.rooms}"
        member = await opened(self.server + way.path.format(room=room))
        if way.bot:
            return Through(member, member, b'{"message":{"bot":')  # not its own command
        if not way.device:
            return member
        device = await opened(f"{self.broker}/sandbox/rooms/{room}")
        return Through(device, member) if way.device == "sends" else Through(member, device)

    async def bridged(self, number: int) -> None:
        """Wait until the bridge is in a room, and brings nothing more. Raises UnmeasurableError."""
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        client = await self.client(WAYS[TO_MEMBERS], number)
        client.on_reply = heard.put_nowait
        try:
            async with asyncio.timeout(BRIDGE_SECONDS):
                for attempt in count():
                    client.send(sent := encode(answer(Request(attempt))).encode())
                    with suppress(TimeoutError):
                        async with asyncio.timeout(ATTEMPT_SECONDS):
                            while await heard.get() != sent:
                                pass
                        return
        except TimeoutError:
            raise UnmeasurableError("no message came through the bridge.") from None
        finally:
            await disconnect([client])


def room_of(way: Way, number: int) -> str:
    """Name a room that was known when all was started; or none, if any will do."""
    prefix = "bridge" if way.device else way.bot
    return prefix and f"{prefix}-{number}"


async def opened(url: str) -> Connection:
    connections, refused = await connect(url, 1)
    if refused:
        raise UnmeasurableError(f"a connection to {url} was refused.")
    return connections[0]


async def running(testbed: Testbed, clients: int) -> Running:
    """Start it all, for so many clients of each way, until the testbed ends.

    Raises ServerError and UnmeasurableError.
    """
    start, venv, starting = testbed.lasting.enter_context, testbed.venv, starting_several_processes
    folder = start(TemporaryDirectory())
    with starting():
        redis = start(Redis())
    rooms = [room_of(WAYS[TO_MEMBERS], number) for number in range(clients)]
    environment = {
        "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        "DEBUG": "0",  # while debugging, Django keeps the queries of each connection
        "LOG_LEVEL": "WARNING",
        "MQTT_ROOMS": ",".join(rooms),
        "REDIS_URL": redis.url,
        "SECRET_KEY": get_random_string(50),
    }
    server = start(
        started(
            testbed.server, environment=environment, migrated=True, venv=venv, starting=starting
        )
    )
    with closing(sqlite3.connect(f"{folder}/db.sqlite3")) as database, database:
        database.executemany(
            "INSERT INTO bot_invitation (bot, room) VALUES (?, ?)",
            [
                (way.bot, room_of(way, number))
                for way in WAYS.values()
                for number in range(clients)
                if way.bot
            ],
        )
    with starting():
        start(working([*WORKERS, *BOTS], environment, venv))
    found = Running(f"ws://127.0.0.1:{server.port}")
    if find_mosquitto():
        broker = start(started("mosquitto", environment=environment, venv=venv, starting=starting))
        found.broker = f"mqtt-qos1://127.0.0.1:{broker.port}"
        for number in range(clients):
            await found.bridged(number)
    return found
