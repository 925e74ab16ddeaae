"""What a connection gets when no worker answers, and which worker answers otherwise."""

import json
from asyncio import CancelledError, Event, create_task, ensure_future, sleep, timeout, wait
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from pytest_django import Settings

from consumers.catalogue import BOTS, WORKERS
from routing.channels import channel_names
from sandbox.asgi import application
from sandbox.management.commands.runworker import MOST_WAITING, RetryingWorker
from tests.support.asgi import TIMEOUT, Connection

PATH = "/worker/async-json-websocket/"


async def ask(path: str, *requests: str) -> list[str]:
    """Connect, ask one request after the other, and leave."""
    client = WebsocketCommunicator(application, path)
    connected, _ = await client.connect()
    assert connected
    replies = []
    for request in requests:
        await client.send_to(text_data=request)
        replies.append(str(await client.receive_from(timeout=20)))
    await client.disconnect()
    return replies


@pytest.fixture
def over_redis(settings: Settings, redis_url: str) -> None:
    """Give connections and workers a layer over Redis, of small capacity, and a short timeout."""
    config = {"hosts": [redis_url], "capacity": 2, "prefix": uuid4().hex}
    backend = "channels_redis.core.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"workers": {"BACKEND": backend, "CONFIG": config}}
    settings.WORKER_SECONDS = 0.2


@pytest.mark.asyncio
async def test_in_memory_no_worker_can_be_reached(settings: Settings) -> None:
    """On the in-memory layer the answer says that there can be no worker, and what to do."""
    settings.CHANNEL_LAYERS = {"workers": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    good, bad = await ask(PATH, '{"message": 1}', "nope")
    assert json.loads(good)["error"]["code"] == "no_worker"
    assert "REDIS_URL" in good
    assert "runworker" in good
    assert json.loads(bad)["error"]["code"] == "invalid_json"


@pytest.mark.asyncio
@pytest.mark.usefixtures("over_redis")
async def test_without_a_worker_the_wait_ends() -> None:
    """Without an answer in time the error is no_worker; when too many wait, it is unavailable."""
    replies = await ask(PATH, *['{"message": 1}'] * 3)
    codes = [json.loads(reply)["error"]["code"] for reply in replies]
    assert codes == ["no_worker", "no_worker", "unavailable"]


@pytest.mark.asyncio
@pytest.mark.usefixtures("over_redis")
@pytest.mark.parametrize("name", WORKERS)
async def test_an_answer_that_comes_too_late_is_not_delivered(name: str) -> None:
    """An answer to a request given up is not taken for the answer to the next one."""
    client = WebsocketCommunicator(application, f"{PATH}?worker={name}")
    await client.connect()
    await client.send_to(text_data='{"message": "given up"}')
    assert "no_worker" in await client.receive_from(timeout=20)
    # Now a worker comes, and finds both requests.
    await client.send_to(text_data='{"message": "next", "delay": 1}')
    layer = get_channel_layer("workers")
    assert layer
    worker = Connection({"type": "channel", "channel": name})
    for _ in range(2):
        event = await layer.receive(name)
        worker.incoming.put_nowait({**event, "delay": 0})
    assert await client.receive_from(timeout=20) == '{"message":"next"}'
    await client.disconnect()
    worker.task.cancel()


@pytest.mark.asyncio
@pytest.mark.usefixtures("over_redis")
async def test_a_wait_that_cannot_be_cancelled_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Where redis-py misses a cancellation there is an answer, and one to the next request."""
    layer: Any = get_channel_layer("workers")
    receive = layer.receive

    async def receive_whatever_comes(channel: str) -> Any:
        receiving = ensure_future(receive(channel))
        with suppress(CancelledError):
            await wait([receiving])
        return await receiving

    monkeypatch.setattr(layer, "receive", receive_whatever_comes)
    client = WebsocketCommunicator(application, f"{PATH}?worker=echo-async")
    await client.connect()
    await client.send_to(text_data='{"message": "given up"}')
    assert "no_worker" in await client.receive_from(timeout=TIMEOUT)
    settings.WORKER_SECONDS = TIMEOUT
    await client.send_to(text_data='{"message": "next"}')
    worker = Connection({"type": "channel", "channel": "echo-async"})
    for _ in range(2):
        worker.incoming.put_nowait(await receive("echo-async"))
    assert await client.receive_from(timeout=TIMEOUT) == '{"message":"next"}'
    await client.disconnect()
    worker.task.cancel()


@pytest.mark.asyncio
@pytest.mark.usefixtures("over_redis")
async def test_a_slow_layer_takes_none_of_the_workers_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is late to reach the layer still has the whole time for its answer."""
    layer: Any = get_channel_layer("workers")
    send = layer.send

    async def send_late(channel: str, message: dict[str, Any]) -> None:
        if message["type"] == "echo.request":
            await sleep(2 * django_settings.WORKER_SECONDS)
        await send(channel, message)

    monkeypatch.setattr(layer, "send", send_late)
    client = WebsocketCommunicator(application, f"{PATH}?worker=echo-async")
    await client.connect()
    await client.send_to(text_data='{"message": "hi"}')
    worker = Connection({"type": "channel", "channel": "echo-async"})
    worker.incoming.put_nowait(await layer.receive("echo-async"))
    assert await client.receive_from(timeout=20) == '{"message":"hi"}'
    await client.disconnect()
    worker.task.cancel()


def test_each_channel_name_has_its_consumer() -> None:
    """Every worker and every bot of the catalogue is behind its channel name."""
    assert set(channel_names) == {*WORKERS, *BOTS}


def test_runworker_says_what_it_cannot_do(settings: Settings) -> None:
    """A name that is none, and a layer that reaches no other process, end runworker at once."""
    settings.REDIS_URL = ""
    with pytest.raises(CommandError, match="There is no worker nobody: choose from echo-sync"):
        call_command("runworker", "nobody")
    with pytest.raises(CommandError, match="set REDIS_URL"):
        call_command("runworker", "echo-sync")


@pytest.mark.asyncio
async def test_a_worker_takes_no_more_than_it_can_do(over_redis: None) -> None:
    """While a consumer is busy, what exceeds a limit waits in the channel layer."""
    del over_redis
    layer: Any = get_channel_layer("workers")
    layer.capacity = 3 * MOST_WAITING
    for number in range(2 * MOST_WAITING):
        await layer.send("echo-async", {"type": "echo.request", "number": number})
    release = Event()
    handled: list[int] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        del scope, send
        while True:
            await release.wait()
            handled.append((await receive())["number"])

    worker = RetryingWorker(application, ["echo-async"], layer)
    listening = create_task(worker.listener("echo-async"))
    async with timeout(TIMEOUT):
        while not worker.application_instances or waiting(worker) < MOST_WAITING:
            await sleep(0.01)
        await sleep(0.1)
        assert waiting(worker) == MOST_WAITING
        release.set()
        while len(handled) < 2 * MOST_WAITING:
            await sleep(0.01)
    assert handled == list(range(2 * MOST_WAITING))
    consumer = worker.application_instances["echo-async"]["future"]
    for task in (consumer, listening):
        task.cancel()
    async with timeout(TIMEOUT):
        await wait((consumer, listening))


@pytest.mark.asyncio
async def test_a_worker_does_not_catch_up_on_what_has_expired(over_redis: None) -> None:
    """A request after a flood is not kept waiting by those that their clients have given up."""
    del over_redis
    layer: Any = get_channel_layer("workers")
    layer.capacity, layer.expiry = 200, 1
    for number in range(100):
        await layer.send("echo-async", {"type": "echo.request", "number": number})
    handled: list[int] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        del scope, send
        while True:
            handled.append((await receive())["number"])
            await sleep(0.05)

    worker = RetryingWorker(application, ["echo-async"], layer)
    listening = create_task(worker.listener("echo-async"))
    await sleep(2 * layer.expiry)
    layer.expiry = 60
    await layer.send("echo-async", {"type": "echo.request", "number": 100})
    async with timeout(TIMEOUT):
        while 100 not in handled:
            await sleep(0.01)
    assert len(handled) < 100
    consumer = worker.application_instances["echo-async"]["future"]
    for task in (consumer, listening):
        task.cancel()
    async with timeout(TIMEOUT):
        await wait((consumer, listening))


def waiting(worker: RetryingWorker) -> int:
    """How many messages wait for the consumer of a worker."""
    number: int = worker.application_instances["echo-async"]["input_queue"].qsize()
    return number
