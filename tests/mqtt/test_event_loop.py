"""That the protocol server never keeps the event loop."""

import asyncio
import json
import os
import subprocess
import sys
from collections import deque

import pytest

from consumers.catalogue import DEVICES
from sandbox.mqtt.packets import Message
from sandbox.processes.child import child
from sandbox.processes.mosquitto import Mosquitto
from sandbox.processes.servers import ROOT
from tests.support.devices import Device, answered

(ASYNC,) = (one for one in DEVICES if one.is_async)
HI, HI_BACK = b'{"message": "hi"}', b'{"message":"hi"}'


async def converse(device: Device, count: int, window: int) -> None:
    """Publish so many requests, with some on their way at a time, and get all replies."""
    pending: deque[None] = deque()
    for _ in range(count):
        await device.send(HI)
        pending.append(None)
        if len(pending) >= window:
            assert await device.receive() == HI_BACK
            pending.popleft()
    for _ in pending:
        assert await device.receive() == HI_BACK


async def load(broker: Mosquitto) -> None:
    """Bursts at both QoS, many devices, large payloads, and a broker that restarts."""
    await answered(broker.url, ASYNC.topic)
    for qos in (0, 1):
        async with Device(broker.url, ASYNC.topic, qos=qos) as device:
            await converse(device, 2000, 1000)
    async with Device(broker.url, ASYNC.topic, qos=0) as device:
        names = [f"burst-{number}" for number in range(8)]
        for name in (*names, device.client):
            topic = ASYNC.topic.replace("<client>", name)
            for _ in range(1000):
                await device.connection.publish(Message(topic, b"", 0, retain=False))
        for _ in range(1000):
            await device.receive()
    async with Device(broker.url, ASYNC.topic) as device:
        for size in (250_000, 5_000_000):
            assert b"too_large" in await device.ask(b"x" * size)
        for number in range(300):
            topic = ASYNC.topic.replace("<client>", f"device-{number}")
            await device.publish(HI, topic=topic)
        assert await device.ask(HI) == HI_BACK
    await asyncio.to_thread(broker.restart)
    async with Device(broker.url, ASYNC.topic) as device:
        await converse(device, 100, 10)


@pytest.mark.asyncio
async def test_no_callback_of_the_protocol_server_takes_over_5_ms(mosquitto: Mosquitto) -> None:
    """Under bursts, large payloads and a restart no callback computes, or waits, for longer."""
    command = [sys.executable, "-m", "tests.support.watched_loop", mosquitto.url]
    with child(
        command, cwd=ROOT, env={**os.environ, "LOG_LEVEL": "WARNING"}, stdout=subprocess.PIPE
    ) as process:
        await load(mosquitto)
        process.terminate()
        output, _ = await asyncio.to_thread(process.communicate, timeout=30)
    seen = json.loads(output)
    assert seen["count"] > 1000
    assert seen["too_long"] == []
