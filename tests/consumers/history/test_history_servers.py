"""Rooms that remember over real sockets, on servers that share a database."""

import asyncio
import json
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, closing
from pathlib import Path
from uuid import uuid4

import pytest

from consumers.catalogue import exhibits
from sandbox.processes.migration import migrate
from sandbox.processes.postgresql import Cluster
from sandbox.processes.servers import Server, serve
from sandbox.wire import ClosedError, RefusedError
from tests.support.history import EXHIBITS, OnTheWire, all_receive, joined, post, receive_all
from tests.support.postgresql import new_cluster

pytestmark = pytest.mark.asyncio

UNAVAILABLE = '{"error":{"code":"unavailable"'
SOCKETS = [exhibit for exhibit in EXHIBITS if exhibit.protocol == "websocket"]


@pytest.fixture(scope="module")
def stopped() -> Iterator[Cluster]:
    with new_cluster() as made:
        yield made


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    """Two Daphnes that have nothing in common but a database: no event crosses over."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path_factory.mktemp('history') / 'db.sqlite3'}"
        if request.param == "postgresql":
            running = stack.enter_context(new_cluster())
            stack.enter_context(running.running())
            url = running.url
        migrate(url)
        environment = {"DATABASE_URL": url, "REDIS_URL": ""}
        yield (
            stack.enter_context(serve(environment=environment)),
            stack.enter_context(serve(environment=environment)),
        )


@pytest.fixture
def room() -> str:
    return uuid4().hex


def messages(*numbers: int) -> list[str]:
    return [f'{{"id":{number},"message":{number}}}' for number in numbers]


async def test_members_on_servers_without_a_common_layer(
    servers: tuple[Server, Server], room: str
) -> None:
    """All types on two servers get the same messages, although their layers are not connected."""
    everyone = [OnTheWire(server.url, one, room) for server in servers for one in EXHIBITS]
    async with joined(*everyone):
        for number, sender in enumerate(everyone):
            await sender.send(f'{{"message": {number}}}')
        first, *others = await all_receive(everyone, len(everyone))
    assert [json.loads(reply)["id"] for reply in first] == list(range(1, len(everyone) + 1))
    assert {json.loads(reply)["message"] for reply in first} == set(range(len(everyone)))
    assert all(other == first for other in others)
    late = OnTheWire(servers[1].url, EXHIBITS[0], room, after=0)
    async with joined(late):
        assert await receive_all(late, len(everyone)) == first


async def test_resumes_on_another_server(servers: tuple[Server, Server], room: str) -> None:
    """A client that reconnects to another server misses nothing, whatever its type."""
    one, other = servers
    for number in range(1, 6):
        assert await post(one.url, room, f'{{"message": {number}}}') == 202
    for exhibit in EXHIBITS:
        member = OnTheWire(other.url, exhibit, room, after=2)
        async with joined(member):
            assert await receive_all(member, 5) == messages(3, 4, 5)


LATE_SEND = "Attempt to send on a closed protocol"
"""What Daphne raises when a client has left while something is sent to it."""


def raised(server: Server) -> list[str]:
    """Return the last line of each traceback in a server's log."""
    traceback = r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)+(\S.*)$"
    return re.findall(traceback, server.log(), re.MULTILINE)


@pytest.mark.timeout(300)
async def test_a_thousand_clients_return_at_once(
    servers: tuple[Server, Server], room: str, record_property: Callable[[str, object], None]
) -> None:
    """A thousand clients that come back together all get what each of them missed."""
    for number in range(1, 51):
        assert await post(servers[0].url, room, f'{{"message": {number}}}') == 202

    async def come_back(number: int) -> None:
        after = number % 50
        member = OnTheWire(servers[0].url, EXHIBITS[number % 5], room, after=after)
        pause = 0.1 + number / 10_000
        while True:
            try:
                await member.join()
            except (ClosedError, RefusedError, OSError, asyncio.IncompleteReadError):
                # Daphne's queue of new connections has 50 places, and it refuses who has waited for
                # more than 5 seconds. Unless the pause grows, a slow machine only works for clients
                # that have left already.
                await asyncio.sleep(pause)
                pause *= 2
            else:
                break
        try:
            assert await receive_all(member, 50) == messages(*range(after + 1, 51))
        finally:
            await member.leave()

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(1000):
            group.create_task(come_back(number))
    record_property("seconds until all were back", time.monotonic() - began)
    assert [error for error in raised(servers[0]) if not error.endswith(LATE_SEND)] == []


@pytest.mark.timeout(300)
async def test_many_writers_at_once(servers: tuple[Server, Server], room: str) -> None:
    """Fifty clients of two servers that write at once get all that they wrote, in one order."""
    members = [
        OnTheWire(servers[number % 2].url, SOCKETS[number % len(SOCKETS)], room)
        for number in range(50)
    ]
    async with joined(*members):
        for _ in range(20):
            await asyncio.gather(*(member.send('{"message": 0}') for member in members))
        received = await all_receive(members, 1000)
    expected = [f'{{"id":{number},"message":0}}' for number in range(1, 1001)]
    assert all(one == expected for one in received)
    for server in servers:
        assert "locked" not in server.log()


# A database that does not answer.


async def assert_refused(sender: OnTheWire) -> None:
    if sender.is_http:
        assert sender.status == 503
    else:
        assert (await sender.receive()).startswith(UNAVAILABLE)


async def assert_unavailable(everyone: list[OnTheWire], url: str) -> None:
    """All senders get the error and stay, and newcomers are let in."""
    for sender in everyone:
        await sender.send('{"message": "not stored"}')
        await assert_refused(sender)
    for exhibit in EXHIBITS:
        async with joined(newcomer := OnTheWire(url, exhibit, everyone[0].room)):
            assert (await newcomer.receive()).startswith(UNAVAILABLE)


async def assert_goes_on(everyone: list[OnTheWire], stored: int) -> None:
    """After an outage all get what was stored, and what comes, and nothing else."""
    url, room = everyone[0].url, everyone[0].room
    async with asyncio.timeout(20):
        while await post(url, room, f'{{"message": {stored + 1}}}') != 202:
            await asyncio.sleep(0.1)
    received = await all_receive(everyone, stored + 1)
    assert all(one == messages(stored + 1) for one in received)


async def assert_logged_once(server: Server, *reasons: str) -> None:
    """An outage is one line when it begins, one when it ends, and no traceback."""
    async with asyncio.timeout(20):
        while server.log().count("The database can be ") < len(reasons):
            await asyncio.sleep(0.1)  # until a member reads again
    log = server.log()
    for reason in reasons:
        assert log.count(f"The database cannot be {reason}") == 1
    assert log.count("The database cannot be ") == len(reasons)
    assert log.count("The database can be ") == len(reasons)
    assert "Traceback" not in log


async def test_a_locked_sqlite_file(tmp_path: Path, room: str) -> None:
    """While another process locks the file, senders get "unavailable"; then everything goes on."""
    file = tmp_path / "db.sqlite3"
    await asyncio.to_thread(migrate, f"sqlite:///{file}")
    with serve(environment={"DATABASE_URL": f"sqlite:///{file}", "REDIS_URL": ""}) as server:
        everyone = [OnTheWire(server.url, exhibit, room) for exhibit in EXHIBITS]
        async with joined(*everyone):
            assert await post(server.url, room, '{"message": 1}') == 202
            await all_receive(everyone, 1)
            with closing(sqlite3.connect(file)) as other:
                other.execute("BEGIN IMMEDIATE")
                await asyncio.gather(*(sender.send('{"message": "lost"}') for sender in everyone))
                for sender in everyone:
                    await assert_refused(sender)
            await assert_goes_on(everyone, stored=1)
            await assert_logged_once(server, "written: database is locked.")


async def test_a_database_without_tables(tmp_path: Path, room: str) -> None:
    """Where no migration has run, the error is "unavailable" and the log says what to do."""
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    with serve(environment={"DATABASE_URL": url, "REDIS_URL": ""}) as server:
        everyone = [OnTheWire(server.url, exhibit, room) for exhibit in EXHIBITS]
        async with joined(*everyone):
            for member in everyone:
                assert (await member.receive()).startswith(UNAVAILABLE)
            await assert_unavailable(everyone, server.url)
            await asyncio.to_thread(migrate, url)
            await assert_goes_on(everyone, stored=0)
            reason = "no such table: history_message: run manage.py migrate."
            await assert_logged_once(server, f"read: {reason}", f"written: {reason}")


async def test_a_file_that_is_no_database(tmp_path: Path, room: str) -> None:
    """A file that is no database is "unavailable", and its replacement is used."""
    file = tmp_path / "db.sqlite3"
    file.write_bytes(b"this is no database, whatever its name says" * 100)
    with serve(environment={"DATABASE_URL": f"sqlite:///{file}", "REDIS_URL": ""}) as server:
        everyone = [OnTheWire(server.url, exhibit, room) for exhibit in EXHIBITS]
        async with joined(*everyone):
            for member in everyone:
                assert (await member.receive()).startswith(UNAVAILABLE)
            await assert_unavailable(everyone, server.url)
            file.unlink()
            await asyncio.to_thread(migrate, f"sqlite:///{file}")
            await assert_goes_on(everyone, stored=0)
            await assert_logged_once(
                server, "read: file is not a database.", "written: file is not"
            )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_postgresql_goes_away_and_comes_back(end: str, stopped: Cluster, room: str) -> None:
    """While PostgreSQL is away all stay and senders get "unavailable"; then everything goes on."""
    async with AsyncExitStack() as stack:
        process = stack.enter_context(stopped.running())
        await asyncio.to_thread(migrate, stopped.url)
        environment = {"DATABASE_URL": stopped.url, "REDIS_URL": ""}
        server = stack.enter_context(serve(environment=environment))
        everyone = [OnTheWire(server.url, exhibit, room) for exhibit in EXHIBITS]
        await stack.enter_async_context(joined(*everyone))
        for number in range(1, 9):
            assert await post(server.url, room, f'{{"message": {number}}}') == 202
        received = await all_receive(everyone, 8)
        assert all(one == messages(*range(1, 9)) for one in received)

        process.send_signal(signal.SIGINT if end == "stopped" else signal.SIGKILL)
        process.wait()
        await assert_unavailable(everyone, server.url)
        async with joined(neighbour := OnTheWire(server.url, exhibits("echo")[0], room)):
            await neighbour.send('{"message": 1}')
            assert await neighbour.receive() == '{"message":1}'
        stack.enter_context(stopped.running())
        await assert_goes_on(everyone, stored=8)
        late = OnTheWire(server.url, EXHIBITS[1], room, after=6)
        async with joined(late):
            assert await receive_all(late, 9) == messages(7, 8, 9)
        await assert_logged_once(server, "read: ", "written: ")
