"""Reading and writing the packets of MQTT 5 and 3.1.1, as far as QoS 0 and 1 need them. No I/O.

Section numbers are those of the OASIS standard MQTT 5.0.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

V311, V5 = 4, 5
"""Protocol levels."""
CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

LARGEST_ID = 65_535
FAILED = 0x80
"""The smallest code of a failure."""
SESSION_EXPIRY, SERVER_KEEP_ALIVE = 0x11, 0x13
REASON_STRING, RECEIVE_MAXIMUM, MAXIMUM_QOS, MAXIMUM_PACKET_SIZE = 0x1F, 0x21, 0x24, 0x27

_SIZES = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
"""Properties that are numbers, and their bytes (2.2.2.2)."""
_STRINGS = frozenset((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F))
_SUBSCRIPTION_ID, _USER_PROPERTY = 0x0B, 0x26


class ProtocolError(Exception):
    """The peer has sent what MQTT does not allow."""


class Packet(NamedTuple):
    """One packet as it came. ``size`` is that of the whole body, of which an end may be cut off."""

    type: int
    flags: int
    body: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Message:
    """A published message. ``id`` is 0 at QoS 0. ``user_properties`` are of MQTT 5."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    id: int = 0
    user_properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Connack:
    """The broker's answer to CONNECT. ``code`` is 0 if it accepts; ``properties`` are of MQTT 5."""

    code: int
    session_present: bool
    properties: dict[int, int | bytes]


class Reader:
    """Finds the packets in a stream of bytes. Of a body over ``limit`` bytes it keeps the start."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._skipped = 0

    def feed(self, data: bytes) -> None:
        if self._skipped:
            skipped = min(self._skipped, len(data))
            self._skipped -= skipped
            data = data[skipped:]
        self._buffer += data

    def packets(self, most: int) -> Iterator[Packet]:
        """Yield at most so many of the packets that are whole. Raises ProtocolError."""
        buffer = self._buffer
        start, end = 0, len(buffer)
        try:
            for _ in range(most):
                if end - start < 2:  # noqa: PLR2004 # the shortest packet
                    break
                size = buffer[start + 1]
                body = start + 2
                if size > 0x7F:  # noqa: PLR2004 # another byte of the length follows
                    try:
                        size, body = _variable(buffer, start + 1)
                    except IndexError:
                        break
                kept = min(size, self._limit)
                if end - body < kept:
                    break
                first = buffer[start]
                yielded = Packet(first >> 4, first & 0x0F, bytes(buffer[body : body + kept]), size)
                start = min(body + size, end)
                self._skipped = body + size - start
                yield yielded
        finally:
            del buffer[:start]


def _variable(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Read a Variable Byte Integer (1.5.5); return it, and where it ends. Raises IndexError."""
    value = 0
    for shift in (0, 7, 14, 21):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 # the last one
            return value, at
    raise ProtocolError("A length has more than four bytes.")


def _properties(
    body: bytes, at: int, pairs: list[tuple[str, str]] | None = None
) -> tuple[dict[int, int | bytes], int]:
    """Read properties; return them, and where they end. Of repeated ones the last counts.

    The user properties, which may be repeated, are added to ``pairs``.
    """
    length, at = _variable(body, at)
    end = at + length
    found: dict[int, int | bytes] = {}
    while at < end:
        name = body[at]
        at += 1
        if size := _SIZES.get(name):
            found[name] = int.from_bytes(body[at : at + size], "big")
            at += size
        elif name in _STRINGS:
            found[name], at = _binary(body, at)
        elif name == _USER_PROPERTY:
            key, at = _binary(body, at)
            value, at = _binary(body, at)
            if pairs is not None:
                pairs.append((key.decode(), value.decode()))
        elif name == _SUBSCRIPTION_ID:
            found[name], at = _variable(body, at)
        else:
            raise ProtocolError(f"There is no property {name}.")
    return found, end


def _binary(body: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 : end], end


def read_connack(packet: Packet, version: int) -> Connack:
    """Raises ProtocolError."""
    body = packet.body
    if packet.type != CONNACK or len(body) < 2:  # noqa: PLR2004 # flags and code
        raise ProtocolError("The first packet is no CONNACK.")
    # A broker without MQTT 5 may refuse it in its own version, without properties.
    has_properties = version == V5 and len(body) > 2  # noqa: PLR2004
    return Connack(body[1], bool(body[0] & 1), _checked(body, 2) if has_properties else {})


def _checked(body: bytes, at: int) -> dict[int, int | bytes]:
    try:
        return _properties(body, at)[0]
    except IndexError:
        raise ProtocolError("The properties end too early.") from None


def read_publish(packet: Packet, version: int) -> Message:
    """Raises ProtocolError."""
    body = packet.body
    qos = packet.flags >> 1 & 3
    topic, at = _binary(body, 0)
    number = 0
    pairs: list[tuple[str, str]] = []
    if qos:
        number = int.from_bytes(body[at : at + 2], "big")
        at += 2
    try:
        if version == V5:
            _, at = _properties(body, at, pairs)
        if at > len(body) or qos > 1:
            raise ProtocolError("A PUBLISH ends too early, or has a QoS that was not asked for.")
        retain = bool(packet.flags & 1)
        return Message(topic.decode(), body[at:], qos, retain, number, tuple(pairs))
    except (IndexError, UnicodeDecodeError):
        raise ProtocolError("A PUBLISH cannot be read.") from None


def read_id(packet: Packet) -> int:
    """Read the packet identifier of a PUBACK, SUBACK or UNSUBACK. Raises ProtocolError."""
    if len(packet.body) < 2:  # noqa: PLR2004 # its bytes
        raise ProtocolError("An acknowledgement has no packet identifier.")
    return int.from_bytes(packet.body[:2], "big")


def read_codes(packet: Packet, version: int) -> bytes:
    """Read the codes of a SUBACK, one for each topic: the QoS, or from 0x80 on a refusal."""
    at = 2
    if version == V5:
        try:
            _, at = _properties(packet.body, at)
        except IndexError:
            raise ProtocolError("A SUBACK ends too early.") from None
    return packet.body[at:]


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _with_length(body)


def _with_length(body: bytes) -> bytes:
    """Write a Variable Byte Integer (1.5.5), and so many bytes."""
    size = len(body)
    length = bytearray()
    while size > 0x7F:  # noqa: PLR2004 # seven bits a byte
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes(length) + body


def _string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    if len(data) > LARGEST_ID:
        raise ValueError("A topic, a name or a password has more than 65,535 bytes.")
    return struct.pack("!H", len(data)) + data


def connect(  # noqa: PLR0913 # as many as the packet has
    version: int,
    client_id: str,
    *,
    keep_alive: int,
    username: str | None = None,
    password: str | None = None,
    clean: bool = False,
    session_seconds: int = 0,
    receive_maximum: int = LARGEST_ID,
) -> bytes:
    """Write a CONNECT. ``session_seconds`` and ``receive_maximum`` are of MQTT 5 only."""
    flags = clean << 1 | (username is not None) << 7 | (password is not None) << 6
    body = _string("MQTT") + bytes((version, flags)) + struct.pack("!H", keep_alive)
    if version == V5:
        body += struct.pack(
            "!BBIBH", 8, SESSION_EXPIRY, session_seconds, RECEIVE_MAXIMUM, receive_maximum
        )
    body += _string(client_id)
    for part in (username, password):
        if part is not None:
            body += _string(part)
    return _packet(CONNECT << 4, body)


def check_topic(topic: str) -> None:
    """Raise ValueError for a topic to which none may publish (4.7)."""
    if not topic or "+" in topic or "#" in topic or "\0" in topic:
        raise ValueError(f"Not a topic to publish to: {topic!r}.")


def publish(version: int, message: Message) -> bytes:
    """Write a PUBLISH."""
    body = _string(message.topic)
    if message.qos:
        body += message.id.to_bytes(2, "big")
    if version == V5:
        properties = (
            bytes((_USER_PROPERTY,)) + _string(key) + _string(value)
            for key, value in message.user_properties
        )
        body += _with_length(b"".join(properties))
    return _packet(PUBLISH << 4 | message.qos << 1 | message.retain, body + message.payload)


def size_of(message: Message) -> int:
    """Return how many bytes a PUBLISH has, at most."""
    # The type, the length, the topic's length, the id and the length of the properties.
    rest = 1 + 4 + 2 + 2 + 4 + 5 * len(message.user_properties)
    names = (message.topic, *chain(*message.user_properties))
    return rest + sum(len(name.encode()) for name in names) + len(message.payload)


def again(packet: bytes) -> bytes:
    """Mark a PUBLISH as one that may have been sent before (3.3.1.1)."""
    return bytes((packet[0] | 0x08,)) + packet[1:]


def puback(number: int) -> bytes:
    return b"\x40\x02" + number.to_bytes(2, "big")


def subscribe(  # noqa: PLR0913 # as many as the packet has
    version: int,
    number: int,
    topic: str,
    qos: int,
    *,
    no_local: bool = False,
    retain_handling: int = 0,
) -> bytes:
    """Write a SUBSCRIBE of one topic filter. The options are of MQTT 5 only (3.8.3.1)."""
    options = qos
    if version == V5:
        options |= no_local << 2 | retain_handling << 4
    return _packet(SUBSCRIBE << 4 | 2, _head(version, number) + _string(topic) + bytes((options,)))


def unsubscribe(version: int, number: int, topic: str) -> bytes:
    return _packet(UNSUBSCRIBE << 4 | 2, _head(version, number) + _string(topic))


def _head(version: int, number: int) -> bytes:
    return number.to_bytes(2, "big") + (b"\0" if version == V5 else b"")


PING = b"\xc0\x00"
GOODBYE = b"\xe0\x00"
"""DISCONNECT, with the reason code 0."""

REASONS = {
    0x01: "it does not speak this version of MQTT",
    0x02: "it does not accept the client id",
    0x03: "it is not available",
    0x04: "wrong user name or password",
    0x05: "not authorized",
    0x84: "it does not speak this version of MQTT",
    0x85: "it does not accept the client id",
    0x86: "wrong user name or password",
    0x87: "not authorized",
    0x88: "it is not available",
    0x89: "it is busy",
    0x8A: "banned",
    0x8B: "it is shutting down",
    0x8D: "it heard nothing from here for too long",
    0x8E: "another client has connected with the same client id",
    0x8F: "not a valid topic filter",
    0x95: "the packet is too large",
    0x97: "over its quota",
    0x99: "not a valid payload",
    0x9E: "it has no shared subscriptions",
}
"""What a code of a CONNACK, PUBACK, SUBACK or DISCONNECT says, as far as it can be met here."""
WRONG_VERSION = (0x01, 0x84)


def reason(code: int) -> str:
    return REASONS.get(code, f"code 0x{code:02x}")
