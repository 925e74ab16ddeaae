"""The MQTT client, against a real broker."""

from functools import partial
from urllib.parse import urlsplit

import pytest

from sandbox.mqtt.packets import V5, V311
from sandbox.processes.mosquitto import Mosquitto
from sandbox.wire import BrokerError, Trace, mqtt

VERSIONS = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.asyncio
async def test_a_message_comes_back(mosquitto: Mosquitto, version: int, qos: int) -> None:
    """A subscriber gets what is published, and QoS 1 is acknowledged on both ways."""
    topic = f"own/{version}/{qos}"
    async with mqtt(mosquitto.url, version=version) as client:
        await client.subscribe(topic, qos)
        await client.publish(topic, b"\xff\x00", qos)
        received = await client.receive()
        assert (received.topic, received.payload, received.qos) == (topic, b"\xff\x00", qos)
        assert bool(received.id) == bool(qos)
        await client.acknowledged()
        assert not client.unacknowledged
        await client.ping()


@VERSIONS
@pytest.mark.asyncio
async def test_what_is_not_acknowledged_comes_again(mosquitto: Mosquitto, version: int) -> None:
    """With a session that stays, a message of QoS 1 waits for a client that is away."""
    stays = partial(mqtt, mosquitto.url, client_id=f"stays-{version}", clean=False, version=version)
    async with stays() as client:
        await client.subscribe("waits", 1)
        client.vanish()
    async with mqtt(mosquitto.url, version=version) as other:
        await other.publish("waits", b"here", 1)
        await other.acknowledged()
    async with stays() as client:
        assert (await client.receive()).payload == b"here"


@VERSIONS
@pytest.mark.asyncio
async def test_a_refusal_has_its_reason_and_not_the_password(
    mosquitto_program: None,  # noqa: ARG001 # it skips
    version: int,
) -> None:
    """A wrong password is refused with a reason, and is neither in the error nor in the trace."""
    with Mosquitto(users={"device": "right"}) as broker:
        trace = Trace()
        url = f"mqtt://device:wr%20ong@127.0.0.1:{broker.port}"
        with pytest.raises(BrokerError) as refused:
            async with mqtt(url, version=version, trace=trace):
                pass
        assert refused.value.code in {5, 0x87}
        assert "wr" not in f"{refused.value}{[event.excerpt for event in trace.events]}"
        async with mqtt(url.replace("wr%20ong", "right"), version=version) as client:
            await client.ping()


@pytest.mark.asyncio
async def test_a_broker_says_why_it_ends_a_connection(mosquitto: Mosquitto) -> None:
    """What breaks the rules is sent all the same, and the reason of the broker is shown."""
    async with mqtt(mosquitto.url) as client:
        await client.publish("wild/#", b"")
        with pytest.raises(BrokerError, match="the broker ended the connection: ") as ended:
            await client.receive()
        assert ended.value.code in {0x82, 0x90}
    async with mqtt(mosquitto.url) as client:
        await client.send_packet("reserved", b"\x00\x00")
        with pytest.raises(BrokerError):
            await client.receive()


@pytest.mark.asyncio
async def test_the_trace_has_every_packet(mosquitto: Mosquitto) -> None:
    """Each packet is recorded once, with its direction and what it holds."""
    trace = Trace()
    async with mqtt(mosquitto.url, client_id="traced", trace=trace) as client:
        await client.subscribe("traced", 1)
        await client.publish("traced", b"hi", 1, retain=True)
        await client.receive()
        await client.acknowledged()
    seen_of = {event.kind: event.excerpt for event in trace.events}
    seen = {(event.sent, event.kind, event.excerpt) for event in trace.events}
    assert seen == {
        (True, "connect", "traced"),
        (False, "connack", seen_of["connack"]),
        (True, "subscribe", "traced"),
        (False, "suback", "00 01 00 01"),
        (True, "publish, QoS 1, retain", "traced hi"),
        (False, "publish, QoS 1", "traced hi"),
        (True, "puback", ""),
        (False, "puback", "00 02"),
        (True, "disconnect", ""),
    }
    assert seen_of["connack"].startswith("00 00")
    assert len(trace.events) == len(seen)


@pytest.mark.asyncio
async def test_nothing_listens(mosquitto: Mosquitto) -> None:
    """A port on which nothing listens is an OSError, as with all clients here."""
    port = urlsplit(mosquitto.url).port
    with pytest.raises(OSError, match="Connect call failed"):
        async with mqtt(f"mqtt://127.0.0.2:{port}"):
            pass
