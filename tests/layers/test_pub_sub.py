"""The Pub/Sub layer: one fault at a time, and what it shares with the layer of channels_redis."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import async_to_sync
from channels_redis.pubsub import (  # type: ignore[import-untyped] # it has no types
    RedisPubSubChannelLayer,
)
from redis.asyncio import Redis as RedisClient
from redis.exceptions import ConnectionError as RedisConnectionError

from consumers.channel_layer import LAYER_ERRORS
from sandbox.layers import pub_sub, redis_connections
from sandbox.layers.pub_sub import PubSubLayer
from sandbox.processes.redis import Redis
from sandbox.processes.servers import installed, serve
from sandbox.wire import websocket
from tests.support.asgi import TIMEOUT
from tests.support.relay import Relay

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def layer(redis: Redis) -> AsyncIterator[PubSubLayer]:
    layer = PubSubLayer(hosts=[redis.url])
    yield layer
    await layer.flush()


@pytest_asyncio.fixture
async def admin(redis: Redis) -> AsyncIterator[Any]:
    """A client of the same Redis, to which the kinds of fault are commands."""
    async with RedisClient.from_url(redis.url) as client:
        yield client


async def member(layer: PubSubLayer, group: str = "room") -> str:
    channel = await layer.new_channel()
    await layer.group_add(group, channel)
    return channel


async def hear(layer: Any, channel: str) -> Any:
    async with asyncio.timeout(TIMEOUT):
        return await layer.receive(channel)


async def hear_after(layer: PubSubLayer, channel: str) -> None:
    """Publish until the member hears again."""
    hearing = asyncio.create_task(hear(layer, channel))
    while not hearing.done():
        with suppress(*LAYER_ERRORS):
            await layer.group_send("room", {"back": True})
        await asyncio.sleep(0.01)
    assert await hearing == {"back": True}


async def test_members_join_while_the_connection_is_made_again(
    layer: PubSubLayer, admin: Any
) -> None:
    """Members that join at the moment of a kill are in the room, without an error."""
    old = await member(layer)
    for number in range(6):
        await admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        new = await asyncio.gather(*(member(layer) for _ in range(5)))
        await layer.group_send("room", {"number": number})
        for channel in new:
            assert await hear(layer, channel) == {"number": number}
            await layer.group_discard("room", channel)
    assert await hear(layer, old)


async def test_a_gap_is_logged_and_counted_once(
    layer: PubSubLayer, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage is one gap, however many attempts it takes to connect again."""
    channel = await member(layer)
    redis.kill()
    await asyncio.sleep(0.2)
    for _ in range(3):
        with pytest.raises(RedisConnectionError):
            await layer.new_channel()
    redis.start()
    await hear_after(layer, channel)
    assert layer.gaps.count == 1
    assert caplog.text.count("Gap 1: the subscriptions in Redis are lost") == 1
    assert caplog.text.count("Gap 1 is over") == 1
    assert "Unexpected" not in caplog.text


async def test_a_room_that_is_not_subscribed_cannot_be_joined(
    layer: PubSubLayer, redis: Redis
) -> None:
    """During an outage a room cannot be joined, not even one that has members."""
    old, new = await member(layer), await layer.new_channel()
    redis.kill()
    await asyncio.sleep(0.2)
    for channel in (old, new):
        with pytest.raises(RedisConnectionError):
            await layer.group_add("room", channel)
    redis.start()
    assert len(layer.groups["asgi__group__room"]) == 1


async def test_without_members_there_is_no_gap(layer: PubSubLayer, admin: Any) -> None:
    """A connection that breaks when nothing is subscribed loses nothing."""
    receiving = asyncio.create_task(layer.receive(await member(layer)))
    await asyncio.sleep(0)
    receiving.cancel()
    while await admin.pubsub_channels():
        await asyncio.sleep(0.01)
    await admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    channel = await member(layer)
    await layer.group_send("room", {"number": 1})
    assert await hear(layer, channel) == {"number": 1}
    assert layer.gaps.count == 0


async def test_a_silent_link_is_noticed(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A link over which nothing comes any more, without an end, is a gap and is replaced."""
    monkeypatch.setattr(redis_connections, "PING_SECONDS", 0.2)
    async with Relay(redis.url) as relay:
        layer = PubSubLayer(hosts=[relay.url])
        channel = await member(layer)
        await asyncio.sleep(1)
        assert layer.gaps.count == 0
        relay.stall()
        while layer.gaps.count == 0:
            await asyncio.sleep(0.05)
        relay.resume()
        await hear_after(layer, channel)
        assert "Gap 1: the subscriptions in Redis are lost (no answer in time)." in caplog.text
        await layer.flush()


async def test_a_message_is_never_sent_twice(layer: PubSubLayer, redis: Redis) -> None:
    """If the link breaks before Redis has answered, the sender gets an error and no second copy."""
    channel = await member(layer)
    async with Relay(redis.url) as relay:
        sender = PubSubLayer(hosts=[relay.url])
        await sender.group_send("room", {"number": 1})
        relay.lose_answers = True
        sending = asyncio.create_task(sender.group_send("room", {"number": 2}))
        assert [await hear(layer, channel) for _ in range(2)] == [{"number": 1}, {"number": 2}]
        relay.lose_answers = False
        relay.cut()
        with pytest.raises(RedisConnectionError):
            await sending
        await sender.group_send("room", {"number": 3})
        assert await hear(layer, channel) == {"number": 3}
        await sender.flush()


async def test_a_command_that_redis_refuses(redis: Redis, admin: Any) -> None:
    """A user of Redis without the permission gets the layer's own error, at once."""
    await admin.acl_setuser(
        "guest", enabled=True, nopass=True, commands=["+@connection", "-subscribe", "-publish"]
    )
    layer = PubSubLayer(hosts=[redis.url.replace("redis://", "redis://guest:x@")])
    with pytest.raises(RedisConnectionError, match="no permissions"):
        await layer.new_channel()
    with pytest.raises(RedisConnectionError, match="no permissions"):
        await layer.group_send("room", {"number": 1})
    await layer.flush()


async def test_it_speaks_with_the_layer_of_channels_redis(layer: PubSubLayer, redis: Redis) -> None:
    """A process with the stock layer is in the same groups, and can send to a channel of ours."""
    stock = RedisPubSubChannelLayer(hosts=[redis.url])
    ours, theirs = await member(layer), await stock.new_channel()
    await stock.group_add("room", theirs)
    await asyncio.sleep(0.2)  # the stock layer does not wait for its subscription
    message: dict[str, Any] = {
        "type": "a",
        "values": [1, -2.5, None, True, "é", b"\x00", {"b": []}, 2**64 - 1],
    }
    for sender in (layer, stock):
        await sender.group_send("room", message)
        assert await hear(layer, ours) == await hear(stock, theirs) == message
        await sender.send(ours, message)
        await sender.send(theirs, message)
        assert await hear(layer, ours) == await hear(stock, theirs) == message
    await stock.flush()


async def test_each_event_loop_has_connections_of_its_own(layer: PubSubLayer, admin: Any) -> None:
    """Loops in several threads share a layer, and the connections of a loop end with it."""

    async def say(number: int) -> None:
        channel = await member(layer)
        await layer.group_send("room", {"number": number})
        assert await hear(layer, channel)

    channel = await member(layer)
    before = len(await admin.client_list())
    for number in range(3):
        thread = threading.Thread(target=async_to_sync(say), args=[number])
        thread.start()
        await asyncio.to_thread(thread.join)
        assert await hear(layer, channel) == {"number": number}
    while len(await admin.client_list()) > before:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("hosts", ["redis://127.0.0.1", [], ["redis://one", "redis://other"]])
async def test_it_takes_one_host(hosts: Any) -> None:
    """What is not a list with one host is refused in a sentence."""
    with pytest.raises(ValueError, match="a list with one host"):
        PubSubLayer(hosts=hosts)


@pytest.mark.parametrize(
    "option", ["protocol=3", "decode_responses=true", "max_connections=1", "socket_timeout=0.1"]
)
async def test_it_works_with_what_a_url_can_ask_for(option: str, redis: Redis) -> None:
    """Options of the URL that could keep the layer from working do not."""
    layer = PubSubLayer(hosts=[f"{redis.url}?{option}"])
    channel = await member(layer)
    await asyncio.sleep(0.2)
    await layer.group_send("room", {"bytes": b"\xff"})
    assert await hear(layer, channel) == {"bytes": b"\xff"}
    assert layer.gaps.count == 0
    await layer.flush()


async def test_messages_for_a_channel_that_ended_go_nowhere(layer: PubSubLayer, admin: Any) -> None:
    """A consumer that ends without leaving its groups leaves no subscription behind."""
    channel = await member(layer)
    receiving = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    receiving.cancel()
    while await admin.pubsub_channels():
        await asyncio.sleep(0.01)
    assert not layer.channels
    assert not layer.groups
    with pytest.raises(ValueError, match="no channel"):
        await layer.group_add("room", channel)


async def test_a_channel_that_left_with_a_message_waiting_is_removed(
    layer: PubSubLayer, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Channels cancels no receive of a consumer that ends with a message waiting for it."""
    monkeypatch.setattr(pub_sub, "UNUSED_SECONDS", 0.01)
    channel = await member(layer)
    await layer.group_send("room", {"number": 1})
    await hear(layer, channel)

    await layer.group_discard("room", channel)

    async with asyncio.timeout(TIMEOUT):
        while layer.channels or await admin.pubsub_channels():
            await asyncio.sleep(0.01)


async def test_a_channel_on_which_one_receives_stays(
    layer: PubSubLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer can leave its only group, and join another one later."""
    monkeypatch.setattr(pub_sub, "UNUSED_SECONDS", 0.01)
    channel = await member(layer)
    hearing = asyncio.create_task(hear(layer, channel))
    await layer.group_discard("room", channel)
    await asyncio.sleep(0.1)
    await layer.group_add("other", channel)
    await layer.group_send("other", {"number": 1})
    assert await hearing == {"number": 1}


@pytest.mark.parametrize("server", installed())
async def test_a_gap_on_every_server(server: str, redis: Redis, admin: Any) -> None:
    """Whatever the server, it logs the gap, its members hear again, and there is no traceback."""
    with serve(server, environment={"REDIS_URL": redis.url}) as running:
        async with websocket(f"{running.url}/rooms/lobby/websocket/", timeout=TIMEOUT) as client:
            await admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            while "Gap 1 is over" not in running.log():
                await asyncio.sleep(0.05)
            async with websocket(f"{running.url}/rooms/lobby/async-websocket/") as other:
                await other.send('{"message": 1}')
                assert await client.receive(timeout=TIMEOUT) == '{"message":1}'
        assert running.log().count("are lost") == 1
        assert "Traceback" not in running.log()
