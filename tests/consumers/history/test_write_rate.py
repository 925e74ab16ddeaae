"""What SQLite bears: many members that write at a steady rate through Daphne.

``DJANGO_SETTINGS_MODULE=sandbox.settings python -m tests.consumers.history.test_write_rate``
measures how many messages a second.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from consumers.catalogue import Exhibit, exhibits
from sandbox.processes.migration import migrate
from sandbox.processes.servers import Server, serve
from tests.support.history import OnTheWire, joined, receive_all

MEMBERS = 10
SOCKETS = [one for one in exhibits("history") if one.protocol == "websocket"]


@contextmanager
def sqlite_server(folder: Path) -> Iterator[Server]:
    url = f"sqlite:///{folder / 'db.sqlite3'}"
    migrate(url)
    environment = {"DATABASE_URL": url, "REDIS_URL": "", "LOG_LEVEL": "WARNING"}
    with serve(environment=environment) as server:
        yield server


async def write(
    server: Server, types: list[Exhibit], *, rate: float, seconds: float
) -> tuple[float, float]:
    """Let members write, all together ``rate`` messages a second, each into a room of its own.

    Return how many were stored a second until the last one was, and how many seconds late the
    latest reply was. Each message comes back with its own number, or it fails.
    """
    name = uuid4().hex
    everyone = [
        OnTheWire(server.url, types[number % len(types)], f"{name}.{number}")
        for number in range(MEMBERS)
    ]
    each = int(rate * seconds / MEMBERS)
    began = 0.0

    def due(number: int) -> float:
        return began + (number - 1) * MEMBERS / rate

    async def send(member: OnTheWire) -> None:
        for number in range(1, each + 1):
            await asyncio.sleep(due(number) - time.monotonic())
            await member.send(f'{{"message": {number}}}')

    async def receive(member: OnTheWire) -> float:
        latest = 0.0
        for number in range(1, each + 1):
            reply = await member.receive()
            assert json.loads(reply) == {"id": number, "message": number}
            latest = max(latest, time.monotonic() - due(number))
        return latest

    async with joined(*everyone):
        began = time.monotonic()
        sending = [asyncio.create_task(send(member)) for member in everyone]
        latest = max(await asyncio.gather(*map(receive, everyone)))
        took = time.monotonic() - began
        await asyncio.gather(*sending)
    return MEMBERS * each / took, latest


@pytest.mark.asyncio
@pytest.mark.timeout(300)
async def test_five_hundred_messages_a_second(tmp_path: Path) -> None:
    """Ten members that write 50 messages a second each lose none, and SQLite is never locked."""
    with sqlite_server(tmp_path) as server:
        await write(server, SOCKETS, rate=500, seconds=2)
        late = OnTheWire(server.url, SOCKETS[0], "later", after=0)
        async with joined(late):
            await late.send('{"message": 1}')
            assert await receive_all(late, 1) == ['{"id":1,"message":1}']
        assert "locked" not in server.log()
        assert "The database " not in server.log()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, sqlite_server(Path(folder)) as running:
        for asked in (250, 500, 1000, 2000, 4000):
            for types in SOCKETS[:1], SOCKETS[1:2]:
                stored, latest = asyncio.run(write(running, types, rate=asked, seconds=3))
                print(f"{types[0].id} {asked}/s: {stored:.0f}/s, latest {latest:.2f} s late")  # noqa: T201 # for people
        locked = running.log().count("locked")
        print(f"lines of the server's log with 'locked': {locked}")  # noqa: T201 # for people
