"""Brokers that are no Mosquitto: one without MQTT 5, and some that answer in other ways."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from consumers.catalogue import DEVICES, Exhibit
from sandbox.mqtt import packets
from sandbox.mqtt.packets import V5, V311, Message
from sandbox.processes.amqtt import REQUIREMENT, Amqtt
from sandbox.processes.environments import RequirementsError, environment
from tests.support.devices import Device, ServerThread, answered, eventually
from tests.support.logs import Log, logged
from tests.support.missing import skip_outside_ci
from tests.support.tcp import Handler, tcp_server

pytestmark = pytest.mark.asyncio
HI, HI_BACK = b'{"message": "hi"}', b'{"message":"hi"}'
each_device = pytest.mark.parametrize("exhibit", DEVICES, ids=lambda exhibit: exhibit.id)
ACCEPTED = b"\x20\x03\x00\x00\x00"
"""CONNACK of MQTT 5, without properties."""


@pytest.fixture
def log() -> Iterator[Log]:
    with logged("sandbox.mqtt") as log:
        yield log


@pytest.fixture(scope="module")
def amqtt() -> Iterator[str]:
    """The URL of an amqtt on which devices are answered."""
    try:
        installed = environment(REQUIREMENT)
    except RequirementsError as error:
        skip_outside_ci(str(error))
    with Amqtt(installed) as broker, logged("sandbox.mqtt") as log, ServerThread(broker.url):
        asyncio.run(answered(broker.url, DEVICES[0].topic, version=V311))
        assert log.has("connected, MQTT 3.1.1, a new session")
        yield broker.url


@each_device
@pytest.mark.parametrize("qos", [0, 1])
async def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1(
    amqtt: str, exhibit: Exhibit, qos: int
) -> None:
    """On amqtt devices get their echo, at both QoS."""
    async with Device(amqtt, exhibit.topic, qos=qos, version=V311) as device:
        assert await device.ask(HI) == HI_BACK
        assert b"invalid_json" in await device.ask(b"\xff")


@asynccontextmanager
async def broker(handler: Handler) -> AsyncIterator[str]:
    """Something that devices take for a broker; yields its URL."""
    async with tcp_server(handler) as port:
        yield f"mqtt://127.0.0.1:{port}"


def answering(*answers: bytes, version: int = V5) -> Handler:
    """Make a broker that answers the CONNECT of a version, and hears what follows."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connect = await reader.read(1000)
        if connect[8] == version:
            for answer in answers:
                writer.write(answer)
        if connect[8] != version or not answers or answers[-1] == b"":
            writer.close()
        while await reader.read(1000):
            pass
        writer.close()

    return handler


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x20\x03\x00\x86\x00", "wrong user name or password"),
        (b"\x20\x03\x00\x89\x00", "it is busy"),
        (b"\x20\x02\x00\x05", "not authorized"),
        (b"\x20\x03\x00\xa1\x00", "code 0xa1"),
        (b"\x30\x03\x00\x00\x00", "The first packet is no CONNACK."),
        (b"\x20\x03\x00\x00\x7f", "The properties end too early."),
        (b"\xff\xff\xff\xff\xff\xff", "A length has more than four bytes."),
    ],
)
async def test_what_does_not_let_us_in_is_said(log: Log, answer: bytes, said: str) -> None:
    """A refusal, and what is no MQTT at all, gets one line however often it is tried."""
    async with broker(answering(answer)) as url:
        with ServerThread(url):
            await eventually(lambda: log.has("no connection", said, "trying again"))


async def test_a_broker_that_just_closes_is_tried_in_3_1_1(log: Log) -> None:
    """Some brokers without MQTT 5 do not refuse it, but close the connection."""
    async with broker(answering(b"\x20\x02\x00\x00", version=V311)) as url:
        with ServerThread(url):
            await eventually(lambda: log.has("connected, MQTT 3.1.1"))


async def test_a_refused_subscription_is_said(log: Log) -> None:
    """A SUBACK that refuses gets a line with the topic and the reason."""
    suback = b"\x90\x04\x00\x01\x00\x87"
    async with broker(answering(ACCEPTED + suback)) as url:
        with ServerThread(url):
            await eventually(lambda: log.has("does not let us subscribe", "not authorized"))


async def test_a_broker_that_says_goodbye_says_why(log: Log) -> None:
    """The reason of a DISCONNECT is in the line that says that the broker has gone."""
    async with broker(answering(ACCEPTED + b"\xe0\x01\x8e", b"")) as url:
        with ServerThread(url):
            await eventually(lambda: log.has("gone", "the same client id"))


async def test_what_the_broker_has_not_acknowledged_is_published_again() -> None:
    """A reply whose PUBACK never came is sent again, as a duplicate where the session is kept."""
    seen: list[bytes] = []
    request = packets.publish(V5, Message(DEVICES[1].topic, HI, 1, retain=False, id=5))

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        kept = bool(seen)
        writer.write(b"\x20\x03" + bytes((kept, 0, 0)) + (b"" if kept else request))
        while data := await reader.read(1000):
            for packet in _packets(data):
                if packet[0] >> 4 in {packets.PUBLISH, packets.PUBACK}:
                    seen.append(packet)
                    if not kept:
                        writer.close()

    async with broker(handler) as url:
        with ServerThread(url):
            await eventually(lambda: len(seen) > 1)
    assert [packet[0] for packet in seen[:2]] == [0x32, 0x3A]
    assert seen[1][1:] == seen[0][1:]
    assert HI_BACK in seen[0]


def _packets(data: bytes) -> Iterator[bytes]:
    """Divide what is short enough to have come in one piece."""
    while data:
        end = 2 + data[1]
        yield data[:end]
        data = data[end:]


async def test_replies_wait_for_the_room_that_the_broker_has() -> None:
    """No more replies are on their way than the broker's Receive Maximum, and requests wait too."""
    replied = taken = acknowledged = 0
    room = b"\x20\x06\x00\x00\x03\x21\x00\x02"  # Receive Maximum 2

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal replied, taken, acknowledged
        await reader.read(1000)
        writer.write(room)
        for number in range(1, 6):
            message = Message(DEVICES[1].topic, HI, 1, retain=False, id=number)
            writer.write(packets.publish(V5, message))
        while data := await reader.read(1000):
            for packet in _packets(data):
                if packet[0] >> 4 == packets.PUBLISH:
                    replied += 1
                    unanswered.append(packet[4 + packet[3] :][:2])
                elif packet[0] >> 4 == packets.PUBACK:
                    acknowledged += 1
                    assert packet[2:] == acknowledged.to_bytes(2)
            await asyncio.sleep(0.05)
            assert replied <= taken + 2
            assert acknowledged <= taken
            for reply in unanswered:
                taken += 1
                writer.write(b"\x40\x02" + reply)
            unanswered.clear()

    unanswered: list[bytes] = []
    async with broker(handler) as url:
        with ServerThread(url):
            await eventually(lambda: acknowledged == 5)
