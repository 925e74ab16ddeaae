"""The protocol server: it keeps a connection to a broker, and runs an ASGI application on it.

The interface is that of mqttasgi, so that an application runs under either:

- The scope is ``{"type": "mqtt", "asgi": {...}, "client_id": ..., "extensions": {...}}``.
- To the application: ``mqtt.connect``, ``mqtt.msg`` with ``{"topic", "payload", "qos", "retain"}``
  in ``"mqtt"``, and ``mqtt.disconnect``.
- From the application: ``mqtt.sub`` with ``{"topic", "qos"}``, ``mqtt.usub`` with ``{"topic"}``,
  and ``mqtt.pub`` with ``{"topic", "payload", "qos", "retain"}``.

What differs from mqttasgi: each connection to the broker is an instance of the application, as each
WebSocket is, so ``mqtt.connect`` comes once to each, and so does ``mqtt.disconnect``. Its
``"reason"`` is 0 at a shutdown, at which there is time to finish, and ``LOST`` where nothing can be
sent any more. And there is an extension, ``"mqtt.ack"``: an application that subscribes with
``"acknowledge": True`` finds an ``"id"`` in each message of QoS 1, and sends ``mqtt.ack`` with it
once it has done its work; without that, a message is acknowledged when the application asks for
the event after it. What is not acknowledged, the broker delivers again to the next connection.
Where there is the extension ``"mqtt.no_local"``, that is with MQTT 5, ``mqtt.sub`` may have
``"no_local": True``, and messages, both ways, ``"user_properties"``, a dict of strings.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from sandbox.mqtt import packets
from sandbox.mqtt.connection import CLOSED, PORTION, Connection, RefusedError
from sandbox.mqtt.packets import V5, V311, Message, ProtocolError
from sandbox.mqtt.url import Broker

logger = logging.getLogger(__name__)

T = TypeVar("T")
Application = Callable[
    [Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]],
    Coroutine[Any, Any, None],
]

LOST = 0x80
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two attempts to connect: the pause doubles, and a random part of it is waited."""
STEADY_SECONDS = 10.0
"""How long a connection has to last before an attempt after its loss comes quickly again."""
END_SECONDS = 0.7
"""How long ``end`` lets the application finish what it has been given."""
LAST_SECONDS = 0.1
"""How long the goodbye may take, and after it, what has not finished to be cancelled."""
MOST_EVENTS = 10_000
"""How many events wait for the application; then messages of QoS 0 are dropped, as QoS 0 allows."""


class Server:
    """Runs an application for as long as ``run`` does."""

    def __init__(self, application: Application, broker: Broker, client_id: str) -> None:
        self._application = application
        self.broker = broker
        self._client_id = client_id
        self._version = V5
        self._has_connected = False
        self._failure = ""
        self._unacknowledged: list[Message] = []
        self._ending = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def end(self) -> None:
        """Let ``run`` come to its end: what the application has been given is finished."""
        self._ending.set()

    async def run(self) -> None:
        """Connect, serve, and connect again, until ``end``."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while not self._ending.is_set():
            began = loop.time()
            if instance := await self._until_ending(self._connect()):
                await self._serve(instance)
            if loop.time() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE
            await self._until_ending(asyncio.sleep(pause * random.uniform(0.5, 1)))  # noqa: S311 # no secret
            pause = min(2 * pause, LONGEST_PAUSE)
        if self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running, timeout=LAST_SECONDS)

    async def _until_ending(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what the work returns, or None where ``end`` comes first, which cancels it."""
        task, ending = asyncio.create_task(work), asyncio.create_task(self._ending.wait())
        await asyncio.wait((task, ending), return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait((task,))
        return None

    async def _connect(self) -> "_Instance | None":
        instance = _Instance(self._client_id)
        try:
            instance.connection = connection = await Connection.open(
                self.broker, self._client_id, self._version, instance.give, instance.lose
            )
        except (OSError, ProtocolError, RefusedError) as error:
            self._say_why(error)
            return None
        version = "5" if self._version == V5 else "3.1.1"
        session = "with the session from before" if connection.session_present else "a new session"
        logger.info("broker %s: connected, MQTT %s, %s", self.broker.address, version, session)
        self._has_connected = True
        self._failure = ""
        if self._version == V5:
            instance.scope["extensions"]["mqtt.no_local"] = {}
        connection.publish_again(self._unacknowledged)
        return instance

    def _say_why(self, error: Exception) -> None:
        """Log why there is no connection, unless the last attempt failed for the same reason."""
        wrong_version = isinstance(error, RefusedError) and error.code in packets.WRONG_VERSION
        # Some brokers without MQTT 5 just close the connection, or wait for what it does not have.
        says_nothing = isinstance(error, ConnectionResetError | TimeoutError)
        if wrong_version or (says_nothing and not self._has_connected):
            self._version = V311 if self._version == V5 else V5
            if wrong_version and self._version == V311:
                return
        why = getattr(error, "strerror", None) or str(error) or "no answer"
        if why != self._failure:
            self._failure = why
            logger.warning("broker %s: no connection: %s: trying again", self.broker.address, why)

    async def _serve(self, instance: "_Instance") -> None:
        """Run the application on a connection, until that is lost or ``end`` comes."""
        connection = instance.connection
        loop = asyncio.get_running_loop()
        began = loop.time()
        task = asyncio.create_task(
            self._application(instance.scope, instance.receive, instance.send)
        )
        self._running.add(task)
        task.add_done_callback(self._ended)
        lost = asyncio.create_task(instance.is_lost.wait())
        await self._until_ending(asyncio.wait((task, lost), return_when=asyncio.FIRST_COMPLETED))
        lost.cancel()
        if self._ending.is_set() and not connection.is_lost:
            instance.finish()
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await asyncio.wait((task,))
                    await connection.idle()
        elif not connection.is_lost:
            logger.error("broker %s: the application has ended", self.broker.address)
        else:
            why = instance.reason
            # Before MQTT 5, and as some brokers do all the same, they do not say it themselves.
            if why == CLOSED and loop.time() - began < STEADY_SECONDS:
                why += f"; does another process use the client id {self._client_id!r} too?"
            logger.warning("broker %s: gone: %s", self.broker.address, why)
        self._unacknowledged = connection.unacknowledged
        connection.close()
        try:  # TLS is closed once the broker has said goodbye too
            async with asyncio.timeout(LAST_SECONDS):
                await instance.is_lost.wait()
        except TimeoutError:
            connection.abort()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("the application has failed", exc_info=error)


class _Instance:
    """What is between a connection and the instance of the application that runs on it."""

    connection: Connection

    def __init__(self, client_id: str) -> None:
        self.scope: dict[str, Any] = {
            "type": "mqtt",
            "asgi": {"version": "3.0"},
            "client_id": client_id,
            "extensions": {"mqtt.ack": {}},
        }
        self.is_lost = asyncio.Event()
        self.reason = ""
        self._events: deque[Any] = deque([{"type": "mqtt.connect", "mqtt": {}}])
        self._arrived: asyncio.Future[None] | None = None
        self._is_ending = False
        self._is_full = False
        self._acknowledges = False
        self._given = 0
        self._taken = 0

    # What the connection calls.

    def give(self, message: Message) -> None:
        if self._is_ending:
            return  # at QoS 1 it is delivered again, since it is not acknowledged
        was_full, self._is_full = self._is_full, len(self._events) >= MOST_EVENTS
        if self._is_full and not message.qos:
            if not was_full:
                logger.warning("too many messages wait: those of QoS 0 are dropped")
            return
        content = {
            "topic": message.topic,
            "payload": message.payload,
            "qos": message.qos,
            "retain": message.retain,
        }
        if message.user_properties:
            content["user_properties"] = dict(message.user_properties)
        if message.id:
            content["id"] = message.id
        self._put({"type": "mqtt.msg", "mqtt": content})

    def lose(self, reason: str) -> None:
        self.reason = reason
        self._is_ending = True
        self._events.clear()
        self._put({"type": "mqtt.disconnect", "mqtt": {"reason": LOST}})
        self.is_lost.set()

    def finish(self) -> None:
        self._is_ending = True
        self._put({"type": "mqtt.disconnect", "mqtt": {"reason": 0}})

    def _put(self, event: Any) -> None:
        self._events.append(event)
        if self._arrived and not self._arrived.done():
            self._arrived.set_result(None)

    # What the application calls.

    async def receive(self) -> Any:
        if self._given:
            self.connection.acknowledge(self._given)
            self._given = 0
        self._taken += 1
        if self._taken % PORTION == 0:
            await asyncio.sleep(0)  # a getter that never waits would keep the event loop
        while not self._events:
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        event = self._events.popleft()
        if not self._acknowledges:
            self._given = event["mqtt"].get("id", 0)
        return event

    async def send(self, event: Any) -> None:
        """Raises ValueError for what is no event, or no topic."""
        kind, content = event["type"], event["mqtt"]
        connection = self.connection
        if kind == "mqtt.pub":
            payload = content["payload"]
            await connection.publish(
                Message(
                    content["topic"],
                    payload.encode() if isinstance(payload, str) else bytes(payload),
                    content.get("qos", 1),
                    content.get("retain", False),
                    user_properties=tuple(content.get("user_properties", {}).items()),
                )
            )
        elif kind == "mqtt.ack":
            connection.acknowledge(content["id"])
        elif kind == "mqtt.sub":
            self._acknowledges = self._acknowledges or content.get("acknowledge", False)
            connection.subscribe(
                content["topic"],
                min(content["qos"], 1),
                no_local=content.get("no_local", False),
                retain_handling=content.get("retain_handling", 0),
            )
        elif kind == "mqtt.usub":
            connection.unsubscribe(content["topic"])
        else:
            raise ValueError(f"There is no event {kind!r} of MQTT.")
