"""The echo of devices: through a real broker, and in both types of consumer."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.catalogue import DEVICES, Exhibit
from sandbox.processes.mosquitto import Mosquitto
from tests.support.devices import Device, ServerThread, answered, subscribed
from tests.support.harness import Comparison, ExhibitConnection
from tests.support.logs import logged
from tests.support.strategies import KNOWN_FRAMES, Frame, frames

a_third = settings(max_examples=max(50, settings().max_examples // 3))
each_device = pytest.mark.parametrize("exhibit", DEVICES, ids=lambda exhibit: exhibit.id)
HI, HI_BACK = b'{"message": "hi", "other": 1}', b'{"message":"hi"}'
(ASYNC,) = (one for one in DEVICES if one.is_async)


@pytest.fixture(scope="module")
def url(mosquitto: Mosquitto) -> Iterator[str]:
    """A broker on which devices are answered."""
    with ServerThread(mosquitto.url):
        for one in DEVICES:  # before it has subscribed, the broker drops what is published
            asyncio.run(answered(mosquitto.url, one.topic))
        yield mosquitto.url


@pytest.fixture(scope="module")
def comparison(url: str) -> Iterator[Comparison]:
    devices: dict[str, ExhibitConnection] = {
        f"{one.id} at QoS {qos}": Device(url, one.topic, qos=qos)
        for one in DEVICES
        for qos in (0, 1)
    }
    with Comparison("over MQTT", devices) as comparison:
        yield comparison


def test_known_frames_get_the_contract_s_replies(comparison: Comparison) -> None:
    """What somebody once answered wrongly is answered rightly, at QoS 0 and 1, by both types."""
    comparison.ask(KNOWN_FRAMES)


@a_third
@given(batch=st.lists(frames(), min_size=1, max_size=4))
def test_any_payloads_get_their_replies_in_order(
    comparison: Comparison, batch: list[Frame]
) -> None:
    """Whatever a payload is, both types publish the same bytes, the right ones, in order."""
    comparison.ask(batch)


@pytest.mark.asyncio
@each_device
async def test_a_thousand_broken_messages_then_a_good_one(url: str, exhibit: Exhibit) -> None:
    """A device that has sent a thousand broken messages still gets its echo."""
    async with Device(url, exhibit.topic) as device:
        for _ in range(1000):
            await device.send(b"\xff")
        await device.send(HI)
        replies = [await device.receive() for _ in range(1001)]
    (error,) = set(replies[:-1])
    assert error.startswith(b'{"error":{"code":"invalid_json"')
    assert replies[-1] == HI_BACK


@pytest.mark.asyncio
@each_device
@pytest.mark.parametrize("size", [64 * 1024 + 1, 5_000_000], ids=["limit", "cut"])
async def test_a_payload_of_any_size_is_answered(url: str, exhibit: Exhibit, size: int) -> None:
    """Over the limit the answer is too_large, also where the server keeps only the start of it."""
    async with Device(url, exhibit.topic) as device:
        assert b'"too_large"' in await device.ask(b"x" * size)
        assert await device.ask(HI) == HI_BACK


@pytest.mark.asyncio
@each_device
async def test_a_device_that_waits_delays_no_other(url: str, exhibit: Exhibit) -> None:
    """Twenty devices wait half a second each, all together, and a quick one is answered at once."""
    async with Device(url, exhibit.topic) as quick:
        slow = [Device(url, exhibit.topic) for _ in range(20)]
        await asyncio.gather(*(device.open() for device in slow))
        await quick.ask(HI)
        began = asyncio.get_running_loop().time()
        for device in slow:
            await device.send(b'{"message": 1, "delay": 0.5}')
        assert await quick.ask(HI) == HI_BACK
        assert slow[0].messages.empty()
        await asyncio.gather(*(device.receive() for device in slow))
        assert asyncio.get_running_loop().time() - began < 20 * 0.5
        await asyncio.gather(*(device.close() for device in slow))


@pytest.mark.asyncio
async def test_an_empty_level_is_not_answered(url: str) -> None:
    """A request without a client's name gets a line in the log, and the next one its echo."""
    topic = ASYNC.topic.replace("<client>", "")
    with logged("routing") as log:
        async with Device(url, ASYNC.topic) as device:
            await device.publish(HI, topic=topic)
            assert await device.ask(HI) == HI_BACK
    assert log.has(repr(topic), "no consumer has this topic")


@pytest.mark.asyncio
@pytest.mark.usefixtures("mosquitto_program")
async def test_a_retained_request_is_not_answered_again() -> None:
    """A request that is retained is answered when it comes, and not when a server subscribes."""
    with Mosquitto() as mosquitto, logged("sandbox.mqtt") as log:
        async with Device(mosquitto.url, ASYNC.topic) as device:
            with ServerThread(mosquitto.url):
                await subscribed(log)
                await device.publish(HI, retain=True)
                assert await device.receive() == HI_BACK
            with ServerThread(mosquitto.url):
                await subscribed(log, times=2)
                assert await device.ask(b'{"message": 2}') == b'{"message":2}'


@pytest.mark.asyncio
async def test_another_client_s_name_is_answered_under_that_name(url: str) -> None:
    """A reply goes to the device that the topic names, not to the one that published."""
    async with Device(url, ASYNC.topic) as one, Device(url, ASYNC.topic) as other:
        await one.ask(HI)
        await other.ask(HI)
        await one.publish(b'{"message": "for the other"}', topic=other.topic)
        assert await other.receive() == b'{"message":"for the other"}'
        assert one.messages.empty()
