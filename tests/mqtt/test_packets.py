"""Reading and writing MQTT packets."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.mqtt import packets
from sandbox.mqtt.packets import V5, V311, Message, Packet, ProtocolError, Reader
from tests.support.strategies import strings

LIMIT = 1000
versions = st.sampled_from([V311, V5])
messages = st.builds(
    Message,
    strings().filter(lambda text: text and not set(text) & set("+#\0")),
    st.binary(max_size=300),
    st.just(1),
    st.booleans(),
    st.integers(1, packets.LARGEST_ID),
)


def read(data: bytes, cuts: list[int], most: int = 3) -> list[Packet]:
    """Read packets from a stream that comes in parts."""
    reader = Reader(LIMIT)
    found = []
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        reader.feed(data[start:end])
        while got := list(reader.packets(most)):
            found += got
    return found


@given(version=versions, batch=st.lists(messages, max_size=5), cuts=st.lists(st.integers(0, 999)))
def test_messages_survive_any_division_of_the_stream(
    version: int, batch: list[Message], cuts: list[int]
) -> None:
    """What is written is read again, at any cut of the stream."""
    found = read(b"".join(packets.publish(version, message) for message in batch), cuts)
    assert [packets.read_publish(packet, version) for packet in found] == batch


@given(cuts=st.lists(st.integers(0, 9000)))
def test_the_end_of_a_large_body_is_cut_off(cuts: list[int]) -> None:
    """A body over the limit keeps its start, and the packet after it is read."""
    large = packets.publish(V5, Message("t", b"x" * 5000, 0, retain=False))
    first, second = read(large + packets.PING, cuts)
    assert (len(first.body), first.size) == (LIMIT, 5004)
    assert packets.read_publish(first, V5).payload == b"x" * (LIMIT - 4)
    assert (second.type, second.size) == (packets.PINGREQ, 0)


@given(version=versions, data=st.binary(max_size=200), cut=st.integers(0, 200))
@example(version=V5, data=b"\x20\xff\xff\xff\xff\xff", cut=0)
def test_no_bytes_raise_anything_but_a_protocol_error(version: int, data: bytes, cut: int) -> None:
    """Whatever a peer sends is read, or is a ProtocolError."""
    with suppress(ProtocolError):
        for packet in read(data, [cut]):
            for reads in (packets.read_connack, packets.read_publish, packets.read_codes):
                with suppress(ProtocolError):
                    reads(packet, version)


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0"])
def test_there_are_topics_to_which_none_may_publish(topic: str) -> None:
    """An empty topic, one with a wildcard and one with a NUL are refused."""
    with pytest.raises(ValueError, match="Not a topic to publish to"):
        packets.check_topic(topic)


def test_reads_the_properties_of_a_connack() -> None:
    """Numbers are found among properties of every form."""
    properties = (
        b"\x21\x00\x14"  # Receive Maximum
        b"\x1f\x00\x02hi"  # Reason String
        b"\x26\x00\x01a\x00\x01b"  # User Property
        b"\x27\x00\x00\x03\xe8"  # Maximum Packet Size
        b"\x0b\x80\x01"  # Subscription Identifier
        b"\x24\x00"  # Maximum QoS
    )
    body = b"\x01\x00" + bytes((len(properties),)) + properties
    connack = packets.read_connack(Packet(packets.CONNACK, 0, body, len(body)), V5)
    assert (connack.code, connack.session_present) == (0, True)
    assert connack.properties[packets.RECEIVE_MAXIMUM] == 20
    assert connack.properties[packets.MAXIMUM_PACKET_SIZE] == 1000
    assert connack.properties[packets.MAXIMUM_QOS] == 0


def test_a_code_without_a_name_is_shown_as_a_number() -> None:
    """A reason that is not known here can still be looked up."""
    assert packets.reason(0xA1) == "code 0xa1"
    assert packets.reason(0x87) == "not authorized"
