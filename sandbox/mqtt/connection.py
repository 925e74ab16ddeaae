"""One connection to a broker, on the event loop: no thread, and nothing that blocks.

What comes is handled in small portions, so that the event loop is free again after each of them.
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from time import monotonic
from typing import cast

from sandbox.mqtt import packets
from sandbox.mqtt.packets import Connack, Message, Packet, ProtocolError, reason
from sandbox.mqtt.url import Broker

logger = logging.getLogger(__name__)

PORTION = 50
"""Packets that are handled before the event loop has its turn."""
LARGEST_BODY = 1024 * 1024
"""Bytes. What exceeds them is cut off: the consumer answers that it is too large."""
RECEIVE_MAXIMUM = 10_000
"""How many messages of QoS 1 the broker sends before one is acknowledged: its backpressure."""
MOST_UNACKNOWLEDGED = 60_000
"""How many we publish, where the broker takes so many: subscriptions need some of the ids."""
KEEP_ALIVE = 15
"""Seconds: a broker that does not answer is noticed after twice as long, at most."""
CONNECT_SECONDS = 10.0
CONNACK_SECONDS = 3.0
SESSION_SECONDS = 7 * 24 * 3600
"""How long a broker of MQTT 5 keeps what comes while we are away."""


CLOSED = "it has closed the connection"


class RefusedError(Exception):
    """The broker has not accepted the connection; the message says why."""

    def __init__(self, code: int) -> None:
        super().__init__(reason(code))
        self.code = code


@dataclass(slots=True)
class _Step:
    """One of the things that have to be done in order: a reply is taken, then a request is."""

    id: int
    is_acknowledgement: bool
    is_done: bool


class Connection(asyncio.Protocol):
    """A connection, from CONNECT to its loss.

    ``on_message`` is called for each message that comes, ``on_lost`` once, with the reason.
    """

    def __init__(
        self,
        version: int,
        on_message: Callable[[Message], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self.version = version
        self.session_present = False
        self.is_lost = False
        self._on_message = on_message
        self._on_lost = on_lost
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._accepted: asyncio.Future[Connack] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._reader = packets.Reader(LARGEST_BODY)
        self._is_busy = False
        self._reason = CLOSED
        # Writing.
        self._unsent: list[bytes] = []
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._last_id = 0
        self._largest_packet = 0
        self._maximum_qos = 1
        # QoS 1: at most so many publications are on their way.
        self._free = MOST_UNACKNOWLEDGED
        self._turns: deque[asyncio.Future[None]] = deque()
        self._sent: dict[int, Message] = {}
        self._steps: deque[_Step] = deque()
        self._publications: dict[int, _Step] = {}
        self._subscriptions: dict[int, str] = {}
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._has_warned = False
        # Keep alive.
        self._keep_alive = KEEP_ALIVE
        self._heard = self._wrote = monotonic()
        self._timer: asyncio.TimerHandle | None = None

    # The handshake.

    @classmethod
    async def open(
        cls,
        broker: Broker,
        client_id: str,
        version: int,
        on_message: Callable[[Message], None],
        on_lost: Callable[[str], None],
    ) -> "Connection":
        """Connect. Raises OSError, TimeoutError, ProtocolError or RefusedError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_SECONDS):
            tls = await asyncio.to_thread(ssl.create_default_context) if broker.tls else None
            _, connection = await loop.create_connection(
                lambda: cls(version, on_message, on_lost), broker.host, broker.port, ssl=tls
            )
            await connection.log_in(broker, client_id)
        return connection

    async def log_in(self, broker: Broker, client_id: str) -> None:
        self._write(
            packets.connect(
                self.version,
                client_id,
                keep_alive=KEEP_ALIVE,
                username=broker.username,
                password=broker.password,
                session_seconds=SESSION_SECONDS,
                receive_maximum=RECEIVE_MAXIMUM,
            )
        )
        try:
            async with asyncio.timeout(CONNACK_SECONDS):
                connack = await self._accepted
        except BaseException:
            self._give_up()
            raise
        if connack.code:
            self._give_up()
            raise RefusedError(connack.code)
        numbers = cast("dict[int, int]", connack.properties)
        self.session_present = connack.session_present
        self._free = min(
            numbers.get(packets.RECEIVE_MAXIMUM, packets.LARGEST_ID), MOST_UNACKNOWLEDGED
        )
        self._maximum_qos = numbers.get(packets.MAXIMUM_QOS, 1)
        self._largest_packet = numbers.get(packets.MAXIMUM_PACKET_SIZE, 0)
        self._keep_alive = numbers.get(packets.SERVER_KEEP_ALIVE, KEEP_ALIVE)
        self._tick()

    # What the application does.

    async def publish(self, message: Message) -> bool:
        """Publish, as soon as the broker takes one more; return whether that was possible.

        It is not on a lost connection, nor if the broker does not take packets of that size.
        Raises ValueError for a topic that none may have.
        """
        packets.check_topic(message.topic)
        await self._is_writable.wait()
        if self.is_lost or self._is_too_large(message):
            return False
        qos = min(message.qos, self._maximum_qos)
        if not qos:
            self._write(packets.publish(self.version, replace(message, qos=0)))
            return True
        if not self._free:
            turn = self._loop.create_future()
            self._turns.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._take_turn()
                raise
        else:
            self._free -= 1
        if not self.is_lost:
            self._publish(replace(message, qos=qos, id=self._new_id()))
        return not self.is_lost

    def _is_too_large(self, message: Message) -> bool:
        """Whether the broker would close the connection because of it; then a line says so."""
        largest, size = self._largest_packet, packets.size_of(message)
        if not largest or size <= largest:
            return False
        logger.warning(
            "%s: not published: the broker takes packets of %d bytes, and this one has %d",
            message.topic,
            largest,
            size,
        )
        return True

    def _publish(self, message: Message, *, again: bool = False) -> None:
        packet = packets.publish(self.version, message)
        step = _Step(message.id, is_acknowledgement=False, is_done=False)
        self._sent[message.id] = message
        self._publications[message.id] = step
        self._steps.append(step)
        self._is_idle.clear()
        self._write(packets.again(packet) if again else packet)

    def publish_again(self, messages: Iterable[Message]) -> None:
        """Publish what an earlier connection has left unacknowledged: its ``unacknowledged``."""
        for message in messages:
            if self._free and not self._is_too_large(message):
                self._free -= 1
                self._publish(message, again=self.session_present)

    @property
    def unacknowledged(self) -> list[Message]:
        """What was published with QoS 1 and has not been acknowledged, in order."""
        return list(self._sent.values())

    def acknowledge(self, number: int) -> None:
        """Acknowledge a message, once the broker has what was published before.

        So a process that is killed loses neither request nor reply: the broker delivers the request
        again.
        """
        if self.is_lost:
            return
        if self._steps:
            self._steps.append(_Step(number, is_acknowledgement=True, is_done=True))
        else:
            self._write(packets.puback(number))

    def subscribe(
        self, topic: str, qos: int, *, no_local: bool = False, retain_handling: int = 0
    ) -> None:
        number = self._new_id()
        self._subscriptions[number] = topic
        self._write(
            packets.subscribe(
                self.version,
                number,
                topic,
                qos,
                no_local=no_local,
                retain_handling=retain_handling,
            )
        )

    def unsubscribe(self, topic: str) -> None:
        self._write(packets.unsubscribe(self.version, self._new_id(), topic))

    def _give_up(self) -> None:
        self.is_lost = True
        self.abort()

    def abort(self) -> None:
        """Close without a goodbye, and without waiting for the broker's."""
        if self._transport:
            self._transport.abort()

    async def idle(self) -> None:
        """Wait until all that was published with QoS 1 is acknowledged."""
        await self._is_idle.wait()

    def close(self) -> None:
        """Say goodbye, and close; the session stays with the broker."""
        if not self.is_lost and self._transport:
            self._write(packets.GOODBYE)
            self._flush()
            self._transport.close()

    # What the transport does.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        self._is_writable.clear()

    def resume_writing(self) -> None:
        self._is_writable.set()

    def data_received(self, data: bytes) -> None:
        self._heard = monotonic()
        self._reader.feed(data)
        if not self._is_busy:
            self._handle_portion()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        why = str(error) if error else self._reason
        if not self._accepted.done():
            self._accepted.set_exception(ConnectionResetError(why))
            return
        if self.is_lost:  # given up before it began
            return
        self.is_lost = True
        self._is_writable.set()
        self._is_idle.set()
        for turn in self._turns:
            if not turn.done():
                turn.set_result(None)
        self._on_lost(why)

    def _handle_portion(self) -> None:
        self._is_busy = False
        if self.is_lost or self._transport is None:
            return
        count = 0
        try:
            for packet in self._reader.packets(PORTION):
                count += 1
                self._handle(packet)
        except ProtocolError as error:
            self._reason = str(error)
            self._transport.abort()
            return
        if count == PORTION:  # there may be more
            self._is_busy = True
            self._transport.pause_reading()
            self._loop.call_soon(self._handle_portion)
        elif not self._transport.is_reading():
            self._transport.resume_reading()

    def _handle(self, packet: Packet) -> None:
        kind = packet.type
        if not self._accepted.done():
            self._accepted.set_result(packets.read_connack(packet, self.version))
        elif kind == packets.PUBLISH:
            message = packets.read_publish(packet, self.version)
            if len(packet.body) < packet.size:
                logger.warning(
                    "%s: a message of %d bytes has been cut off", message.topic, packet.size
                )
            self._on_message(message)
        elif kind == packets.PUBACK:
            self._on_puback(packets.read_id(packet), packet.body[2:3])
        elif kind == packets.SUBACK:
            self._on_suback(packets.read_id(packet), packets.read_codes(packet, self.version))
        elif kind == packets.DISCONNECT:
            self._reason = reason(packet.body[0]) if packet.body else self._reason

    def _on_puback(self, number: int, code: bytes) -> None:
        step = self._publications.pop(number, None)
        if step is None:
            return
        message = self._sent.pop(number)
        if code and code[0] >= packets.FAILED and not self._has_warned:
            self._has_warned = True  # once a connection: a device could fill the log
            logger.warning(
                "%s: the broker has not published this: %s", message.topic, reason(code[0])
            )
        self._take_turn()
        step.is_done = True
        steps = self._steps
        while steps and steps[0].is_done:
            done = steps.popleft()
            if done.is_acknowledgement:
                self._write(packets.puback(done.id))
        if not steps:
            self._is_idle.set()

    def _take_turn(self) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():  # or cancelled
                turn.set_result(None)
                return
        self._free += 1

    def _on_suback(self, number: int, codes: bytes) -> None:
        topic = self._subscriptions.pop(number, "")
        for code in codes:
            if code >= packets.FAILED:
                logger.error("%s: the broker does not let us subscribe: %s", topic, reason(code))
            else:
                logger.debug("%s: subscribed", topic)

    def _new_id(self) -> int:
        while True:
            self._last_id = self._last_id % packets.LARGEST_ID + 1
            if self._last_id not in self._sent and self._last_id not in self._subscriptions:
                return self._last_id

    def _write(self, packet: bytes) -> None:
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packet)

    def _flush(self) -> None:
        if self._unsent and self._transport and not self._transport.is_closing():
            self._wrote = monotonic()
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _tick(self) -> None:
        """Let the broker know that we are there, and notice when it is not."""
        if self.is_lost or self._transport is None or not self._keep_alive:
            return
        now = monotonic()
        if now - self._heard > 2 * self._keep_alive:
            self._reason = "it does not answer"
            self._transport.abort()
            return
        if max(now - self._heard, now - self._wrote) > self._keep_alive / 2:
            self._write(packets.PING)
        self._timer = self._loop.call_later(self._keep_alive / 4, self._tick)
