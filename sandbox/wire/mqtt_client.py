"""An MQTT client that shows every packet, and sends what a client library would refuse.

async with mqtt("mqtt://127.0.0.1:1883") as client:
    await client.subscribe("sandbox/echo/me/reply", qos=1)
    await client.publish("sandbox/echo/me/request", b'{"message": "hi"}', qos=1)
    message = await client.receive()
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from secrets import token_hex

from sandbox.mqtt import packets
from sandbox.mqtt.packets import V5, Message, Packet
from sandbox.mqtt.url import Broker, read_url
from sandbox.wire.stream import TIMEOUT, Stream, open_stream
from sandbox.wire.trace import Trace

MOST_BYTES = 1 << 28
"""The longest packet that MQTT allows: the whole of each is read."""
FOR_EVER = 0xFFFF_FFFF
"""Seconds for which a session is kept: without an end."""
NAMES = {
    packets.CONNACK: "connack",
    packets.PUBLISH: "publish",
    packets.PUBACK: "puback",
    packets.SUBACK: "suback",
    packets.PINGRESP: "pingresp",
    packets.DISCONNECT: "disconnect",
}


class BrokerError(ConnectionError):
    """The broker refused something, or ended the connection; the message says what, and why."""

    def __init__(self, what: str, code: int | None = None) -> None:
        super().__init__(what if code is None else f"{what}: {packets.reason(code)}")
        self.code = code
        """As MQTT numbers its reasons; None where it gave none."""


class Mqtt:
    """A connection to a broker; ``mqtt`` opens one."""

    def __init__(self, stream: Stream, client_id: str, version: int) -> None:
        self.client_id = client_id
        self.unacknowledged: set[int] = set()
        """Ids of what was published at QoS 1 and has no PUBACK yet."""
        self._stream = stream
        self._version = version
        self._reader = packets.Reader(MOST_BYTES)
        self._packets: deque[Packet] = deque()
        """Those that have come and were not asked for yet."""
        self._ids = count()

    async def shake_hands(self, broker: Broker, *, clean: bool, keep_alive: int) -> None:
        """Connect. Raises BrokerError."""
        data = packets.connect(
            self._version,
            self.client_id,
            keep_alive=keep_alive,
            username=broker.username,
            password=broker.password,
            clean=clean,
            session_seconds=0 if clean else FOR_EVER,
        )
        await self.send_packet("connect", data, self.client_id.encode())  # not the password
        answer = packets.read_connack(await self._next(packets.CONNACK), self._version)
        if answer.code:
            raise BrokerError("the broker refused the connection", answer.code)

    async def subscribe(self, topic: str, qos: int = 0) -> None:
        """Subscribe, and wait until the broker has. Raises BrokerError."""
        data = packets.subscribe(self._version, self._new_id(), topic, qos)
        await self.send_packet("subscribe", data, topic.encode())
        (code,) = packets.read_codes(await self._next(packets.SUBACK), self._version)
        if code >= packets.FAILED:
            raise BrokerError(f"the broker refused the subscription to {topic}", code)

    async def publish(
        self, topic: str, payload: bytes = b"", qos: int = 0, *, retain: bool = False
    ) -> None:
        """Publish one message, and do not wait for its acknowledgement."""
        message = Message(topic, payload, qos, retain, self._new_id() if qos else 0)
        if qos:
            self.unacknowledged.add(message.id)
        await self.send_packet(
            _kind(message), packets.publish(self._version, message), _content(message)
        )

    async def acknowledged(self) -> None:
        """Wait until all that was published at QoS 1 is acknowledged. Raises BrokerError."""
        while self.unacknowledged:
            await self._read()

    async def send_packet(self, kind: str, data: bytes, content: bytes = b"") -> None:
        """Send any bytes, allowed or not, recorded as a packet of that kind with that content."""
        self._stream.record(kind, content, sent=True)
        await self._stream.write(data)

    async def receive(self, timeout: float = TIMEOUT) -> Message:  # noqa: ASYNC109 # a caller changes the default
        """Return the next message, acknowledged if it is of QoS 1.

        Raises BrokerError, TimeoutError.
        """
        async with asyncio.timeout(timeout):
            packet = await self._next(packets.PUBLISH)
        return packets.read_publish(packet, self._version)

    async def ping(self) -> None:
        """See that the broker is there. Raises BrokerError."""
        await self.send_packet("pingreq", packets.PING)
        await self._next(packets.PINGRESP)

    async def disconnect(self) -> None:
        await self.send_packet("disconnect", packets.GOODBYE)

    def vanish(self) -> None:
        """End the connection without a DISCONNECT."""
        self._stream.record("vanish", sent=True)
        self._stream.abort()

    def _new_id(self) -> int:
        return next(self._ids) % packets.LARGEST_ID + 1

    async def _next(self, kind: int) -> Packet:
        """Return the next packet of a kind, and leave all others. Raises BrokerError."""
        while True:
            for packet in self._packets:
                if packet.type == kind:
                    self._packets.remove(packet)
                    return packet
            await self._read()

    async def _read(self) -> None:
        """Read once, and handle what came. Raises BrokerError."""
        data = await self._stream.read()
        if not data:
            self._stream.record("end")
            raise BrokerError("the broker ended the connection")
        self._reader.feed(data)
        for packet in self._reader.packets(len(data)):
            await self._take(packet)

    async def _take(self, packet: Packet) -> None:
        kind = NAMES.get(packet.type, f"packet of type {packet.type}")
        if packet.type == packets.PUBLISH:
            message = packets.read_publish(packet, self._version)
            self._stream.record(
                _kind(message) + " again" * bool(packet.flags & 8), _content(message)
            )
            self._packets.append(packet)
            if message.id:
                await self.send_packet("puback", packets.puback(message.id))
            return
        self._stream.record(kind, packet.body.hex(" ").encode())
        if packet.type == packets.PUBACK:
            self.unacknowledged.discard(packets.read_id(packet))
            if (code := packet.body[2:3]) and code[0] >= packets.FAILED:
                raise BrokerError("the broker refused a message", code[0])
        elif packet.type == packets.DISCONNECT:
            raise BrokerError("the broker ended the connection", next(iter(packet.body), None))
        else:
            self._packets.append(packet)


def _kind(message: Message) -> str:
    return f"publish, QoS {message.qos}" + ", retain" * message.retain


def _content(message: Message) -> bytes:
    return f"{message.topic} ".encode() + message.payload


@asynccontextmanager
async def mqtt(  # noqa: PLR0913 # a CONNECT has as many parts
    url: str,
    *,
    client_id: str = "",
    version: int = V5,
    clean: bool = True,
    keep_alive: int = 0,
    trace: Trace | None = None,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 # a caller changes the default
) -> AsyncIterator[Mqtt]:
    """Connect to a broker, with the user and the password of the URL; disconnect at the end.

    A client id is made up unless given. Unless ``clean``, an earlier session of that client id
    goes on, and stays. Raises BrokerError, TimeoutError, OSError, and ValueError for a URL that is
    none.
    """
    broker = read_url(url)
    async with open_stream(url, trace) as stream:
        client = Mqtt(stream, client_id or f"wire-{token_hex(8)}", version)
        async with asyncio.timeout(timeout):
            await client.shake_hands(broker, clean=clean, keep_alive=keep_alive)
        yield client
        await client.disconnect()
