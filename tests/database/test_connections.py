"""How many connections of a real PostgreSQL a server holds."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import pytest
from django.conf import settings

from sandbox.processes.migration import migrate
from sandbox.processes.postgresql import Cluster
from sandbox.processes.servers import Server, serve
from tests.support.history import EXHIBITS, OnTheWire, all_receive
from tests.support.postgresql import held, new_cluster

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]

MAX_CONNECTIONS = 60
AT_ONCE = 40
"""Clients that connect at the same time: Daphne's queue of new connections has 50 places."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with new_cluster(MAX_CONNECTIONS) as made, made.running():
        migrate(made.url)
        yield made


@contextmanager
def server_with(cluster: Cluster, options: str) -> Iterator[Server]:
    environment = {"DATABASE_URL": f"{cluster.url}?{options}", "REDIS_URL": ""}
    with serve(environment=environment) as server:
        yield server


@asynccontextmanager
async def rooms_of_ten(server: Server, sockets: int) -> AsyncIterator[list[list[OnTheWire]]]:
    """Members of all types, ten in each room, until the block ends."""
    name = f"{server.port}"
    members = [
        OnTheWire(server.url, EXHIBITS[number % len(EXHIBITS)], f"{name}.{number // 10}")
        for number in range(sockets)
    ]
    async with AsyncExitStack() as stack:
        for first in range(0, sockets, AT_ONCE):
            joining = members[first : first + AT_ONCE]
            for member in joining:
                stack.push_async_callback(member.leave)
            await asyncio.gather(*(member.join() for member in joining))
        yield [members[first : first + 10] for first in range(0, sockets, 10)]


async def say_and_hear(rooms: list[list[OnTheWire]]) -> None:
    """Let each member store a message, and get all those of its room."""
    everyone = [member for room in rooms for member in room]
    for first in range(0, len(everyone), AT_ONCE):
        some = everyone[first : first + AT_ONCE]
        await asyncio.gather(*(member.send('{"message": "hi"}') for member in some))
    received = await all_receive(everyone, 10)
    expected = [f'{{"id":{number},"message":"hi"}}' for number in range(1, 11)]
    assert all(one == expected for one in received)


async def test_held_connections_are_bounded_by_the_threads(cluster: Cluster) -> None:
    """500 sockets whose connections are kept hold one for each thread, and none is refused."""
    with server_with(cluster, "conn_max_age=600") as server:
        async with rooms_of_ten(server, 500) as rooms:
            await say_and_hear(rooms)
            assert 1 <= held(cluster.url) <= settings.SYNC_THREADS + 1
        assert "cannot be" not in server.log()


async def test_connections_without_an_age_are_not_held(cluster: Cluster) -> None:
    """At rest nothing is held, whichever way the ORM was reached, and none was refused."""
    with server_with(cluster, "conn_max_age=0") as server:
        async with rooms_of_ten(server, 100) as rooms:
            await say_and_hear(rooms)
            async with asyncio.timeout(30):
                while held(cluster.url):
                    await asyncio.sleep(0.05)
        assert "cannot be" not in server.log()


async def test_a_pool_bounds_the_connections(cluster: Cluster) -> None:
    """With psycopg's pool no more connections are held than it may have, and none is refused."""
    with server_with(cluster, "pool=true&pool_max_size=5") as server:
        async with rooms_of_ten(server, 100) as rooms:
            await say_and_hear(rooms)
            assert 1 <= held(cluster.url) <= 5
        assert "cannot be" not in server.log()
