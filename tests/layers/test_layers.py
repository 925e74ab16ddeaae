"""The channel layers: what they drop is logged, and why rooms use Pub/Sub."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.layers import get_channel_layer
from pytest_django import Settings

from sandbox.layers.in_memory import InMemoryLayer
from sandbox.layers.redis_connections import Publisher
from sandbox.processes.redis import Redis
from tests.support.asgi import TIMEOUT
from tests.support.members import SLUGS, Member, members, request
from tests.support.relay import Relay

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["in-memory", "redis"])
def three_at_most(
    request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let no more than three messages wait for a member."""
    config: dict[str, Any] = {"capacity": 3}
    backend = "sandbox.layers.in_memory.InMemoryLayer"
    if request.param == "redis":
        config["hosts"] = [request.getfixturevalue("redis_url")]
        backend = "sandbox.layers.pub_sub.PubSubLayer"
        publish = Publisher.publish

        async def publish_and_wait(self: Publisher, channel: str, message: bytes) -> None:
            """Over two connections, a message and the answer to its PUBLISH come in any order."""
            await publish(self, channel, message)
            await asyncio.sleep(0.02)

        monkeypatch.setattr(Publisher, "publish", publish_and_wait)
    settings.CHANNEL_LAYERS = {"rooms": {"BACKEND": backend, "CONFIG": config}}


@pytest.mark.usefixtures("three_at_most")
@pytest.mark.parametrize("slug", ["websocket", "async-websocket"])
async def test_over_capacity_is_logged_and_counted(
    slug: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A busy member loses what exceeds its capacity, which is logged; the others lose nothing."""
    async with members("lobby", slug, "async-http") as (busy, follower):
        await busy.send('{"message": "late", "delay": 1}')
        for number in range(10):
            await follower.send(f'{{"message": {number}}}')
            assert await follower.hear() == f'{{"message":{number}}}'
        received = [await busy.hear() for _ in range(1 + 3)]
        assert received == [f'{{"message":{number}}}' for number in range(1 + 3)]
        assert await follower.hear() == '{"message":"late"}'
        await follower.send('{"message": "on"}')
        assert [await one.hear() for one in (busy, follower)] == ['{"message":"on"}'] * 2
        layer: Any = get_channel_layer("rooms")
        assert layer.drops.count == 7
    assert "is over capacity: 1 dropped by now." in caplog.text


@asynccontextmanager
async def slow_redis(
    redis_url: str, word: bytes, seconds: float, settings: Settings
) -> AsyncIterator[Any]:
    """The layer of the rooms, over a link that delays what contains ``word``."""
    async with Relay(redis_url) as relay:
        relay.delay = lambda chunk: seconds if word in chunk else 0
        config = {"hosts": [relay.url], "capacity": 500}
        backend = "sandbox.layers.pub_sub.PubSubLayer"
        settings.CHANNEL_LAYERS = {"rooms": {"BACKEND": backend, "CONFIG": config}}
        layer: Any = get_channel_layer("rooms")
        try:
            yield layer
        finally:
            await layer.flush()


@pytest.mark.parametrize("slug", SLUGS)
async def test_a_member_receives_what_follows_its_joining(
    slug: str, settings: Settings, redis_url: str
) -> None:
    """Even if Redis gets the subscription late, an accepted member loses nothing."""
    async with (
        slow_redis(redis_url, b"SUBSCRIBE", 0.1, settings),
        members("lobby", slug) as (member,),
    ):
        await request("lobby", "POST", b'{"message": "welcome"}')
        assert await member.hear() == '{"message":"welcome"}'


@pytest.mark.parametrize("word", [b"SUBSCRIBE", b"__group__"])
async def test_a_failed_subscription_leaves_nothing_behind(
    word: bytes, settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that Redis does not subscribe in time gets an error, and is in no group."""
    monkeypatch.setattr("sandbox.layers.redis_connections.ANSWER_SECONDS", 0.2)
    async with slow_redis(redis_url, word, 0.5, settings) as layer:
        member = Member("async-websocket", "lobby")
        assert (await member.join())["type"] == "websocket.accept"
        assert "unavailable" in await member.hear()
        await member.connection.task
        assert not layer.channels
        assert not layer.groups


async def test_on_the_core_layer_an_outage_ends_all_members(
    settings: Settings, redis: Redis
) -> None:
    """The core layer's members get an error and close code 1013; none stays without messages."""
    backend = "channels_redis.core.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"rooms": {"BACKEND": backend, "CONFIG": {"hosts": [redis.url]}}}
    everyone = [Member(slug, "lobby") for slug in SLUGS]
    for member in everyone:
        await member.join()
    redis.kill()
    for member in everyone:
        event = await member.connection.event()
        if member.is_http:
            assert event == {"type": "http.response.body", "body": b"", "more_body": False}
        else:
            assert "unavailable" in event["text"]
            closed = await member.connection.event()
            assert (closed["type"], closed["code"]) == ("websocket.close", 1013)
        await member.connection.task
    redis.start()


async def test_what_waits_for_a_member_goes_with_it() -> None:
    """A channel that leaves its group leaves no message behind in memory."""
    layer = InMemoryLayer()
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    for _ in range(3):
        await layer.group_send("room", {"type": "room.message"})
    assert layer.channels[channel].qsize() == 3

    await layer.group_discard("room", channel)

    assert layer.channels == {}


async def test_a_member_of_two_rooms_can_leave_one() -> None:
    """A channel that leaves one of its groups, or all, goes on with what it receives elsewhere."""
    layer = InMemoryLayer()
    channel = await layer.new_channel()
    for group in ("one", "two"):
        await layer.group_add(group, channel)
    await layer.group_send("two", {"type": "room.message", "number": 1})
    await layer.group_discard("one", channel)
    async with asyncio.timeout(TIMEOUT):
        assert (await layer.receive(channel))["number"] == 1

    receiving = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    await layer.group_discard("two", channel)
    await layer.send(channel, {"type": "room.message", "number": 2})
    async with asyncio.timeout(TIMEOUT):
        assert (await receiving)["number"] == 2
    assert layer.channels == {}
