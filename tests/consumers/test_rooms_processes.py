"""Two servers, a worker and one Redis, each in a process of its own; and Redis is killed."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from consumers.catalogue import exhibits
from sandbox.processes.redis import Redis
from sandbox.processes.servers import Server, serve
from sandbox.processes.worker import working
from sandbox.wire import http, websocket
from tests.support.asgi import TIMEOUT
from tests.support.clients import Client, clients, post, refused
from tests.support.members import SLUGS

pytestmark = pytest.mark.asyncio

ECHOES = list(exhibits("echo"))
WORKER = "/worker/async-json-websocket/"


@pytest.fixture(scope="module")
def servers(redis: Redis) -> Iterator[tuple[Server, Server]]:
    """Two Daphnes that share nothing except Redis."""
    environment = {"REDIS_URL": redis.url}
    with serve(environment=environment) as one, serve(environment=environment) as other:
        yield one, other


@pytest.fixture(scope="module")
def worker(redis: Redis) -> Iterator[None]:
    """A process that runs both workers."""
    with working(["echo-sync", "echo-async"], {"REDIS_URL": redis.url}):
        yield


async def test_members_on_different_servers_share_a_room(servers: tuple[Server, Server]) -> None:
    """All five types on two servers hear the same bytes, in each sender's order."""
    async with clients("shared", *(server.url for server in servers)) as everyone:
        for sender in everyone:
            for number in range(3):
                await sender.send(f'{{"message": [{number}, 18446744073709551616]}}')
            expected = [f'{{"message":[{number},18446744073709551616]}}' for number in range(3)]
            for member in everyone:
                assert [await member.hear() for _ in range(3)] == expected


@pytest.mark.parametrize("name", ["echo-sync", "echo-async"])
async def test_a_worker_answers_the_connection_that_asked(
    name: str, servers: tuple[Server, Server], worker: None
) -> None:
    """One worker serves the connections of two servers: each gets its own answers, in order."""
    del worker
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                websocket(f"{server.url}{WORKER}?worker={name}", timeout=TIMEOUT)
            )
            for server in servers
            for _ in range(3)
        ]
        for number in range(3):
            for index, socket in enumerate(sockets):
                await socket.send(f'{{"message": [{index}, {number}, 1e22]}}')
        for index, socket in enumerate(sockets):
            for number in range(3):
                heard = await socket.receive(timeout=TIMEOUT)
                assert heard == f'{{"message":[{index},{number},1e22]}}'
        await sockets[0].send("nope")
        assert "invalid_json" in str(await sockets[0].receive(timeout=TIMEOUT))


async def test_a_worker_that_does_not_exist_is_refused(servers: tuple[Server, Server]) -> None:
    """A name that no worker has is refused in the handshake."""
    with pytest.raises(Exception, match="refused with status 403"):
        async with websocket(f"{servers[0].url}{WORKER}?worker=nobody"):
            pass


async def hear_again(everyone: list[Client], url: str) -> None:
    """Post again and again until every member has received it."""

    async def hear(member: Client) -> None:
        while "back" not in await member.hear():
            pass

    async def keep_posting() -> None:
        while True:
            await post(url, everyone[0].room, '{"message": "back"}')
            await asyncio.sleep(0.1)

    posting = asyncio.create_task(keep_posting())
    async with asyncio.timeout(TIMEOUT):
        await asyncio.gather(*map(hear, everyone))
    posting.cancel()


async def test_an_outage_of_redis(
    servers: tuple[Server, Server],
    worker: None,
    redis: Redis,
    record_property: Callable[[str, object], None],
) -> None:
    """While Redis is down all stay connected and senders get an error; then all receive again."""
    del worker
    one, other = servers
    urls = one.url, other.url
    async with AsyncExitStack() as stack:
        everyone = await stack.enter_async_context(clients("outage", *urls))
        echoes = [
            await stack.enter_async_context(websocket(one.url + exhibit.url))
            for exhibit in ECHOES
            if exhibit.protocol == "websocket"
        ]
        asking = await stack.enter_async_context(websocket(one.url + WORKER))

        redis.kill()

        # Every sender gets an error, and stays connected.
        for _ in range(2):
            for sender in everyone:
                await sender.send('{"message": "lost"}')
                assert "unavailable" in await sender.hear_refusal()
        reply = await post(one.url, "outage", '{"message": "lost"}')
        assert (reply.status, reply.header("retry-after")) == (503, "1")
        await asking.send('{"message": "lost"}')
        assert "unavailable" in str(await asking.receive(timeout=TIMEOUT))
        # New connections get the same error and are closed.
        for slug in SLUGS[:-1]:
            heard, code = await refused(slug, "outage", one.url)
            assert "unavailable" in heard
            assert code == 4013  # 1013 is more than Daphne can say
        events = {"Accept": "text/event-stream"}.items()
        path = Client("async-http", "outage", one.url).path
        assert (await http("GET", one.url + path, headers=events)).status == 503
        # Bad input still gets its own error.
        await everyone[0].send("nope")
        assert "invalid_json" in await everyone[0].hear_refusal()
        # Echo needs no Redis.
        for socket in echoes:
            await socket.send('{"message": 1}')
            assert await socket.receive(timeout=TIMEOUT) == '{"message":1}'
        assert (await http("POST", f"{one.url}/echo/async-http/", body=b'{"message": 1}')).status

        redis.start()
        began = time.monotonic()
        await hear_again(everyone, one.url)
        record_property("seconds until all receive again", time.monotonic() - began)
        await asking.send('{"message": "back"}')
        assert await asking.receive(timeout=TIMEOUT) == '{"message":"back"}'
    for server in servers:
        assert "Traceback" not in server.log()
