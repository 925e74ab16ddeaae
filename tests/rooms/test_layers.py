"""The channel layers: what they drop is said, and why rooms have the one that they have."""

from typing import Any

import pytest
from channels.layers import get_channel_layer
from pytest_django import Settings

from tests.redis_server import Redis
from tests.rooms.members import SLUGS, Member, members

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["in-memory", "redis"])
def three_at_most(request: pytest.FixtureRequest, settings: Settings) -> None:
    """Let no more than three messages wait for a member."""
    config: dict[str, Any] = {"capacity": 3}
    backend = "sandbox.layers.InMemoryLayer"
    if request.param == "redis":
        config["hosts"] = [request.getfixturevalue("redis_url")]
        backend = "sandbox.layers.PubSubLayer"
    settings.CHANNEL_LAYERS = {"rooms": {"BACKEND": backend, "CONFIG": config}}


@pytest.mark.usefixtures("three_at_most")
@pytest.mark.parametrize("slug", ["websocket", "async-websocket"])
async def test_over_capacity_is_logged_and_counted(
    slug: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A member that is busy loses what comes on top, which is said; nobody else loses anything."""
    async with members("lobby", slug, "async-http") as (busy, follower):
        await busy.send('{"message": "late", "delay": 1}')
        for number in range(10):
            await follower.send(f'{{"message": {number}}}')
            assert await follower.hear() == f'{{"message":{number}}}'
        in_hand_and_waiting = [await busy.hear() for _ in range(1 + 3)]
        assert in_hand_and_waiting == [f'{{"message":{number}}}' for number in range(1 + 3)]
        assert await follower.hear() == '{"message":"late"}'
        await follower.send('{"message": "on"}')
        assert [await one.hear() for one in (busy, follower)] == ['{"message":"on"}'] * 2
        layer: Any = get_channel_layer("rooms")
        assert layer.drops.count == 7
    assert "is over capacity: 1 dropped by now." in caplog.text


async def test_on_the_core_layer_an_outage_ends_all_members(
    settings: Settings, redis: Redis
) -> None:
    """Its members cannot outlive an outage: they are told to try again later, none is left deaf."""
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
