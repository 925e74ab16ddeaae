"""The consumers of topics and their router under mqttasgi, the other protocol server."""

import os
import sys
from collections.abc import Iterator

import pytest

from consumers.catalogue import DEVICES, Exhibit
from sandbox.processes.child import child
from sandbox.processes.mosquitto import Mosquitto
from sandbox.processes.servers import ROOT
from tests.support.devices import Device, answered


@pytest.fixture(scope="module")
def url(mosquitto_program: None) -> Iterator[str]:  # noqa: ARG001 # it skips
    """A broker whose devices mqttasgi serves."""
    with Mosquitto() as broker:
        options = ["-H", "127.0.0.1", "-p", str(broker.port), "-i", "mqttasgi"]
        command = [sys.executable, "-m", "mqttasgi.cli", *options, "sandbox.asgi:application"]
        with child(command, cwd=ROOT, env={**os.environ, "LOG_LEVEL": "WARNING"}):
            yield broker.url


@pytest.mark.asyncio
@pytest.mark.parametrize("exhibit", DEVICES, ids=lambda exhibit: exhibit.id)
@pytest.mark.parametrize("qos", [0, 1])
async def test_devices_are_answered_under_mqttasgi(url: str, exhibit: Exhibit, qos: int) -> None:
    """Requests and errors get the contract's replies, in order, also after a delay."""
    await answered(url, exhibit.topic)
    async with Device(url, exhibit.topic, qos=qos) as device:
        for frame in (b'{"message": 1, "delay": 0.1}', b"\xff", b'{"message": "hi"}'):
            await device.send(frame)
        assert await device.receive() == b'{"message":1}'
        assert b'"invalid_json"' in await device.receive()
        assert await device.receive() == b'{"message":"hi"}'
