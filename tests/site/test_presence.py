"""The number of members of a room, for the page that shows them come and go."""

import json

import pytest

from sandbox.processes.redis import Redis
from sandbox.processes.servers import serve
from sandbox.wire import RefusedError, websocket
from tests.support.asgi import TIMEOUT
from tests.support.clients import Client
from tests.support.members import SLUGS


@pytest.mark.parametrize("has_redis", [False, True], ids=["in-memory", "redis"])
@pytest.mark.asyncio
async def test_members_are_counted_as_they_come_and_go(has_redis: bool, redis: Redis) -> None:
    """Each change of the number of members is sent, and other rooms do not count."""
    with serve("daphne", environment={"REDIS_URL": redis.url if has_redis else ""}) as server:
        url = f"{server.url}/rooms/door/members/"
        elsewhere = Client("websocket", "elsewhere", server.url)
        await elsewhere.join()
        async with websocket(url, timeout=TIMEOUT) as presence:

            async def expect(members: int) -> None:
                """Numbers may be skipped that are over before the server looks."""
                while json.loads(str(await presence.receive(timeout=TIMEOUT))) != {
                    "members": members
                }:
                    pass

            await expect(0)
            clients = [Client(slug, "door", server.url) for slug in SLUGS]
            for client in clients:
                await client.join()
            await expect(len(SLUGS))
            await presence.send("a client has nothing to say here")
            for client in clients:
                await client.stack.aclose()
            await expect(0)
        await elsewhere.stack.aclose()
        assert "Traceback" not in server.log()


@pytest.mark.asyncio
async def test_pages_of_other_sites_are_refused(daphne_port: int) -> None:
    """A foreign origin is refused, as it is by the rooms themselves."""
    url = f"http://127.0.0.1:{daphne_port}/rooms/door/members/"
    with pytest.raises(RefusedError, match="403"):
        async with websocket(url, headers=[("Origin", "http://evil.example")]):
            pass
