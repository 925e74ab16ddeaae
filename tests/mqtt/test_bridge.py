"""Devices and members of a room: a real broker, Redis, a server, and the bridge in its process."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from channels.layers import get_channel_layer
from pytest_django import Settings

from consumers.mqtt.bridge import Bridge
from routing.topics import TopicRouter, topic
from sandbox.processes.child import child
from sandbox.processes.mosquitto import Mosquitto
from sandbox.processes.redis import Redis
from sandbox.processes.servers import ROOT, Server, serve
from tests.support.asgi import TIMEOUT
from tests.support.clients import Client, clients
from tests.support.devices import Device, eventually
from tests.support.logs import logged
from tests.support.strategies import Frame

pytestmark = pytest.mark.asyncio

ROOMS = ["lobby.0", "lobby.1", "bad", "redis", "broker", "two"]
READY = '{"message":"ready"}'
BROKEN: list[Frame] = [
    "",
    "hi",
    "[]",
    '{"message": NaN}',
    '{"messages": 1}',
    '{"message": 1, "delay": 2}',
    b"\xff",
    '{"message": "' + "x" * 65536 + '"}',
    "[" * 200 + "]" * 200,
]


@pytest.fixture(scope="module")
def environment(redis: Redis, mosquitto: Mosquitto) -> dict[str, str]:
    return {"REDIS_URL": redis.url, "MQTT_URL": mosquitto.url}


@pytest.fixture(scope="module")
def server(environment: dict[str, str]) -> Iterator[Server]:
    with serve(environment=environment) as server:
        yield server


@contextmanager
def bridging(
    rooms: Sequence[str], environment: dict[str, str], log: Path, client: str = "bridge"
) -> Iterator[None]:
    """Run the protocol server of MQTT, which is in all rooms when the block begins."""
    command = [sys.executable, "manage.py", "mqtt", "--client-id", client]
    settings = {"MQTT_ROOMS": ",".join(rooms), "LOG_LEVEL": "DEBUG"}
    ready = [
        f"sandbox/rooms/{room}{words}" for room in rooms for words in (" connect", ": subscribed")
    ]
    with log.open("wb") as output:
        streams = {"stdout": output, "stderr": output}
        with child(
            command, cwd=ROOT, env={**os.environ, **environment, **settings}, **streams
        ) as process:
            while not all(line in log.read_text() for line in ready):
                assert process.poll() is None, log.read_text()
            yield


@pytest.fixture(scope="module")
def bridge(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], str]]:
    """A bridge that is in all rooms: what gives its log."""
    log = tmp_path_factory.mktemp("bridge") / "log"
    with bridging(ROOMS, environment, log):
        yield log.read_text


@asynccontextmanager
async def a_device(broker: Mosquitto, name: str, *, qos: int = 1) -> AsyncIterator[Device]:
    """A device that hears what is published on a topic below ``sandbox/rooms/``."""
    async with Device(broker.url, f"sandbox/rooms/{name}", qos=qos) as device:
        await device.send(READY)
        assert await device.receive() == READY.encode()
        yield device


async def hear(who: Client | Device) -> str:
    """The next that a member or a device hears, but that a device is ready."""
    while True:
        heard = (await who.receive()).decode() if isinstance(who, Device) else await who.hear()
        if heard != READY:
            return heard


@pytest.mark.parametrize("qos", [0, 1])
async def test_all_hear_once_what_each_of_them_says(
    qos: int, server: Server, mosquitto: Mosquitto, bridge: Callable[[], str]
) -> None:
    """What two devices and members of all types say, each of them hears, and hears once."""
    room = f"lobby.{qos}"
    async with AsyncExitStack() as stack:
        everyone: list[Client | Device] = [
            *await stack.enter_async_context(clients(room, server.url)),
            await stack.enter_async_context(a_device(mosquitto, room, qos=qos)),
            await stack.enter_async_context(a_device(mosquitto, room, qos=qos)),
        ]
        said = Counter[str]()
        for number in range(10):
            for index, who in enumerate(everyone):
                text = f'{{"message":[{number},{index},18446744073709551616]}}'
                said[text] += 1
                await who.send(text)
        for who in everyone:
            assert Counter([await hear(who) for _ in range(said.total())]) == said
        for who in (everyone[0], everyone[-1]):
            await who.send('{"message":"last"}')
            assert {await hear(one) for one in everyone} == {'{"message":"last"}'}
    assert "Traceback" not in bridge() + server.log()


async def test_a_broken_message_is_answered_and_goes_nowhere(
    server: Server, mosquitto: Mosquitto, bridge: Callable[[], str]
) -> None:
    """What a device says in a wrong way is answered on the error topic, and no member hears it."""
    async with (
        clients("bad", server.url) as members,
        a_device(mosquitto, "bad") as device,
        Device(mosquitto.url, "sandbox/rooms/bad/error") as errors,
    ):
        for _ in range(50):
            for frame in BROKEN:
                await device.send(frame)
            codes = [json.loads(await errors.receive())["error"]["code"] for _ in BROKEN]
            assert codes == [
                *["invalid_json"] * 2,
                "invalid_request",
                "invalid_json",
                *["invalid_request"] * 2,
                "invalid_json",
                "too_large",
                "too_deep",
            ]
        await device.send(' {"message": "good", "more": 1, "delay": 0.5} ')
        for member in members:
            assert await hear(member) == '{"message":"good"}'
    assert "Traceback" not in bridge()


async def test_a_bridge_that_was_away(
    server: Server, mosquitto: Mosquitto, environment: dict[str, str], tmp_path: Path
) -> None:
    """A bridge brings what was published at QoS 1 while it was away, and nothing a second time."""
    async with clients("away", server.url) as members:
        with bridging(["away"], environment, tmp_path / "first", client="away"):
            async with a_device(mosquitto, "away") as device:
                await device.publish('{"message":"retained"}', retain=True)
                assert {await hear(member) for member in members} == {'{"message":"retained"}'}
        async with Device(mosquitto.url, "sandbox/rooms/away") as device:
            assert (await device.message()).retain  # as MQTT has it, for devices
            await device.send('{"message":"while away"}')
            with bridging(["away"], environment, tmp_path / "second", client="away"):
                assert {await hear(member) for member in members} == {'{"message":"while away"}'}
                await device.send('{"message":"back"}')
                assert {await hear(member) for member in members} == {'{"message":"back"}'}


async def test_two_bridges_of_one_room_make_no_loop(
    server: Server,
    mosquitto: Mosquitto,
    environment: dict[str, str],
    bridge: Callable[[], str],
    tmp_path: Path,
) -> None:
    """A second bridge between the same room and broker brings all once more, and not for ever."""
    del bridge
    async with clients("two", server.url) as members:
        with bridging(["two"], environment, tmp_path / "log", client="second"):
            async with a_device(mosquitto, "two") as device:
                for text in ('{"message":1}', '{"message":2}'):
                    await members[0].send(text)
                    assert {await hear(member) for member in members} == {text}
                    assert [await hear(device) for _ in range(2)] == [text] * 2
                for text in ('{"message":3}', '{"message":4}'):
                    await device.send(text)
                    for member in members:
                        assert [await hear(member) for _ in range(2)] == [text] * 2
                    assert [await hear(device) for _ in range(3)] == [text] * 3


async def test_a_restart_of_the_broker(
    server: Server, mosquitto: Mosquitto, bridge: Callable[[], str]
) -> None:
    """After a restart of the broker, devices and members hear each other again, each once."""
    del bridge
    async with clients("broker", server.url) as members:
        async with a_device(mosquitto, "broker") as device:
            await device.send('{"message":"before"}')
            assert {await hear(member) for member in members} == {'{"message":"before"}'}
        await asyncio.to_thread(mosquitto.restart)
        async with a_device(mosquitto, "broker") as device:
            await device.send('{"message":"after"}')
            assert {await hear(member) for member in members} == {'{"message":"after"}'}
            assert await hear(device) == '{"message":"after"}'
            await members[0].send('{"message":"too"}')
            assert await hear(device) == '{"message":"too"}'


async def test_a_restart_of_redis(
    server: Server, mosquitto: Mosquitto, redis: Redis, bridge: Callable[[], str]
) -> None:
    """While Redis is away a device learns that the room is unavailable, then all is as before."""
    async with (
        clients("redis", server.url) as members,
        a_device(mosquitto, "redis") as device,
        Device(mosquitto.url, "sandbox/rooms/redis/error") as errors,
    ):
        redis.kill()
        await device.send('{"message":"lost"}')
        assert b"unavailable" in await errors.receive()
        redis.start()
        async with asyncio.timeout(TIMEOUT):
            for say, listen in ((device, members[0]), (members[0], device)):
                heard = ""
                while "again" not in heard:  # some of it is lost, until all have connected again
                    await say.send('{"message":"again"}')
                    try:
                        async with asyncio.timeout(1):
                            heard = await hear(listen)
                    except TimeoutError:
                        continue
    assert "Traceback" not in bridge()


async def test_a_bridge_waits_for_redis(redis: Redis, settings: Settings) -> None:
    """While Redis is away at the start, messages of devices wait, and then reach the room."""
    backend = "sandbox.layers.pub_sub.PubSubLayer"
    rooms = {"BACKEND": backend, "CONFIG": {"hosts": [redis.url]}}
    settings.CHANNEL_LAYERS = {"rooms": rooms}
    redis.kill()
    events = asyncio.Queue[Any]()
    sent = asyncio.Queue[Any]()
    application: Any = Bridge.as_asgi()
    scope = {"type": "mqtt", "topic": "sandbox/rooms/late", "path": "sandbox/rooms/late"}
    with logged("consumers") as log:
        task = asyncio.create_task(application(scope, events.get, sent.put))
        events.put_nowait({"type": "mqtt.connect"})
        await eventually(lambda: log.has("sandbox/rooms/late waits for its room"))
        redis.start()
        await eventually(lambda: log.has("sandbox/rooms/late connect"))
    layer = get_channel_layer("rooms")
    assert layer
    await layer.group_send("room.late", {"type": "room.message", "text": "hi"})
    async with asyncio.timeout(TIMEOUT):
        assert (await sent.get())["mqtt"]["payload"] == b"hi"
        events.put_nowait({"type": "mqtt.disconnect"})
        await task


async def test_a_bridge_that_waits_ends_with_its_connection(
    redis: Redis, settings: Settings
) -> None:
    """If the broker goes while Redis is away, no bridge is left that joins the room later."""
    backend = "sandbox.layers.pub_sub.PubSubLayer"
    rooms = {"BACKEND": backend, "CONFIG": {"hosts": [redis.url]}}
    settings.CHANNEL_LAYERS = {"rooms": rooms}
    redis.kill()
    events = asyncio.Queue[Any]()
    router = TopicRouter([topic("sandbox/rooms/gone", Bridge.as_asgi())])
    with logged("consumers") as log:
        task = asyncio.create_task(router({"type": "mqtt"}, events.get, asyncio.Queue[Any]().put))
        events.put_nowait({"type": "mqtt.connect", "mqtt": {}})
        await eventually(lambda: log.has("sandbox/rooms/gone waits for its room"))
        events.put_nowait({"type": "mqtt.disconnect", "mqtt": {"reason": 0x80}})
        async with asyncio.timeout(TIMEOUT):
            await task
        redis.start()
        assert len(log.lines) == 1
    layer: Any = get_channel_layer("rooms")
    assert layer.channels == {}


async def test_a_bridge_that_ends_leaves_the_room(redis: Redis, settings: Settings) -> None:
    """A bridge that ends while messages of the room wait for it is no member any more."""
    backend = "sandbox.layers.pub_sub.PubSubLayer"
    rooms = {"BACKEND": backend, "CONFIG": {"hosts": [redis.url]}}
    settings.CHANNEL_LAYERS = {"rooms": rooms}
    events = asyncio.Queue[Any]()
    can_send = asyncio.Event()

    async def send(_event: Any) -> None:
        await can_send.wait()

    application: Any = Bridge.as_asgi()
    scope = {"type": "mqtt", "topic": "sandbox/rooms/full", "path": "sandbox/rooms/full"}
    with logged("consumers") as log:
        task = asyncio.create_task(application(scope, events.get, send))
        events.put_nowait({"type": "mqtt.connect"})
        await eventually(lambda: log.has("sandbox/rooms/full connect"))
    layer: Any = get_channel_layer("rooms")
    for _ in range(3):
        await layer.group_send("room.full", {"type": "room.message", "text": "hi"})
    events.put_nowait({"type": "mqtt.disconnect"})
    (mailbox,) = layer.channels.values()
    await eventually(lambda: mailbox.qsize() == 2 and events.empty())
    can_send.set()
    async with asyncio.timeout(TIMEOUT):
        await task
    assert layer.groups == {}


async def test_without_mqtt_5_a_room_is_not_served() -> None:
    """Where the broker would send the bridge its own messages, it says that it serves no room."""
    router = TopicRouter([topic("sandbox/rooms/lobby", Bridge.as_asgi(), no_local=True)])
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    events = [{"type": "mqtt.connect"}, {"type": "mqtt.disconnect"}]

    async def receive() -> Any:
        return events.pop(0)

    with logged("routing.topics") as log:
        await router({"type": "mqtt", "extensions": {"mqtt.ack": {}}}, receive, send)
    assert sent == []
    assert log.has("sandbox/rooms/lobby", "not served", "MQTT 5")
