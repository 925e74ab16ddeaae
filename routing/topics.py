"""Which topic of a broker reaches which consumer: for MQTT what URLRouter is for WebSockets.

Copy this file into a project, and put it behind ProtocolTypeRouter:

    ProtocolTypeRouter({..., "mqtt": TopicRouter([
        topic("sandbox/echo/<client>/request", EchoConsumer.as_asgi()),
    ])})

It subscribes to its topics at each connection to the broker. ``<client>`` stands for one level that
is not empty. Each topic has a consumer of its own, so that a device that waits delays no other. The
consumer's scope is that of the connection, with ``topic``, ``path`` (the same again, for what logs
paths) and ``url_route``, as behind URLRouter. It receives ``mqtt.connect``, then each ``mqtt.msg``
in order, and at the end ``mqtt.disconnect``, where it raises StopConsumer. It begins with the first
message on its topic, and ends with the connection, or when it has had nothing to do for
``IDLE_SECONDS``. On a topic without ``<...>`` it begins and ends with the connection.

A message is acknowledged to the broker when its consumer has handled it, which is when it asks for
the next event, where the server has the extension "mqtt.ack" (mqttasgi has none: it acknowledges at
once). A message that its consumer failed on is acknowledged too: it would fail again. A consumer
that ends before it has a message is replaced after a pause; after ``MOST_TRIES`` of them, what
waits is refused. On a topic without ``<...>`` it is replaced also where nothing waits.

Only so many messages wait for a consumer. Others are refused: what the route's ``busy`` makes of
the scope and the message is sent. A retained message is an old one, which would come again at each
connection: it is logged, and that is all.
"""

import logging
import re
from asyncio import Future, Task, create_task, get_running_loop, sleep, wait
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from time import monotonic
from typing import Any

logger = logging.getLogger(__name__)

MOST_CONSUMERS = 1000
MOST_WAITING = 2000
"""Messages that wait for one consumer."""
MOST_BYTES = 4 * 1024 * 1024
"""Bytes of the messages that wait for one consumer."""
MOST_BYTES_IN_ALL = 64 * 1024 * 1024
MESSAGE_BYTES = 600
"""What a message takes besides its payload and its names."""
IDLE_SECONDS = 60.0
MOST_TRIES = 10
"""Consumers in a row that end before they have a message."""
PAUSE = 1.0
"""Seconds after each of them."""
NO_RETAINED = 2
"""Of MQTT 5: retained messages are not sent at a subscription (3.8.3.1)."""
CONNECT = {"type": "mqtt.connect", "mqtt": {}}
DISCONNECT = {"type": "mqtt.disconnect", "mqtt": {"reason": 0}}
LEVEL = r"[^/\x00-\x1f\x7f-\x9f]+"
"""What ``<name>`` stands for: a level that is not empty, without control characters."""


@dataclass(frozen=True, slots=True)
class Route:
    """A topic, and the ASGI application that takes what is published there."""

    topic: str
    application: Any
    qos: int = 1
    no_local: bool = False
    """What this client itself publishes must not come back: not served where it would."""
    busy: Callable[[Any, Any], Any] | None = None
    """``(scope, message) -> event``: the refusal of a message, the content of an ``mqtt.msg``."""
    pattern: re.Pattern[str] = field(init=False)
    filter: str = field(init=False)

    def __post_init__(self) -> None:
        literal = re.split(r"<(\w+)>", self.topic)
        pattern = "".join(
            f"(?P<{part}>{LEVEL})" if at % 2 else re.escape(part) for at, part in enumerate(literal)
        )
        object.__setattr__(self, "pattern", re.compile(pattern))
        object.__setattr__(self, "filter", re.sub(r"<\w+>", "+", self.topic))

    @property
    def is_lasting(self) -> bool:
        """Whether its consumer begins and ends with the connection: the topic has no ``<...>``."""
        return self.filter == self.topic


topic = Route


class TopicRouter:
    """An ASGI application for a connection to a broker."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        dispatch = Dispatch(self.routes, scope, send)
        sweeping = create_task(dispatch.sweep())
        try:
            while True:
                event = await receive()
                kind = event["type"]
                if kind == "mqtt.msg":
                    await dispatch.message(event)
                elif kind == "mqtt.connect":
                    await dispatch.subscribe()
                elif kind == "mqtt.disconnect":
                    await dispatch.end(at_once=bool(event.get("mqtt", {}).get("reason")))
                    return
        finally:
            sweeping.cancel()
            dispatch.cancel()


class Dispatch:
    """The consumers of one connection."""

    def __init__(self, routes: tuple[Route, ...], scope: Any, send: Any) -> None:
        self.send = send
        self.waiting_bytes = 0
        self._extensions = scope.get("extensions", {})
        self._can_acknowledge = "mqtt.ack" in self._extensions
        self._routes = routes
        self._scope = scope
        self._members: OrderedDict[str, Member] = OrderedDict()
        """By topic; the one that was last used longest ago is the first."""
        self._tasks: set[Task[None]] = set()

    async def subscribe(self) -> None:
        for route in self._routes:
            if route.no_local and "mqtt.no_local" not in self._extensions:
                logger.warning(
                    "%.200r: not served: without MQTT 5 this client's own messages would come back",
                    route.topic,
                )
                continue
            content = {
                "topic": route.filter,
                "qos": route.qos,
                "no_local": route.no_local,
                "retain_handling": NO_RETAINED,
                "acknowledge": True,
            }
            await self.send({"type": "mqtt.sub", "mqtt": content})
            if route.is_lasting and route.topic not in self._members:
                self._begin(route, self._scope_of(route.topic, {}))

    async def message(self, event: Any) -> None:
        """Give a message to the consumer of its topic. Does not wait until it is handled."""
        content = event["mqtt"]
        name = content["topic"]
        route, kwargs = self._match(name)
        if route is None:
            logger.warning("%.200r: no consumer has this topic: ignored", name)
        elif content.get("retain"):
            logger.warning("%.200r: retained, so it may be old: ignored", name)
        else:
            member = self._members.get(name)
            if member is not None and member.task.done():
                self._forget(member)
                member = None
            if member is None and self._has_room():
                member = self._begin(route, self._scope_of(name, kwargs))
            if member is not None and member.take(event):
                self._members.move_to_end(name)
                return
            logger.warning("%.200r: too many messages wait: one is refused", name)
            if route.busy:
                await self.send(route.busy(self._scope_of(name, kwargs), content))
        await self.acknowledge(event)

    async def acknowledge(self, event: Any) -> None:
        if self._can_acknowledge and (number := event["mqtt"].get("id")):
            await self.send({"type": "mqtt.ack", "mqtt": {"id": number}})

    async def end(self, *, at_once: bool) -> None:
        """End all consumers: after what waits for them, or at once."""
        for member in self._members.values():
            member.end(at_once=at_once)
        self._members.clear()
        if self._tasks:
            await wait(self._tasks)

    async def sweep(self) -> None:
        """End those that have had nothing to do."""
        while True:
            await sleep(IDLE_SECONDS / 4)
            for member in tuple(self._members.values()):
                if member.used > monotonic() - IDLE_SECONDS:
                    break
                if member.may_end:
                    self._end(member)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _match(self, name: str) -> tuple[Route | None, dict[str, str]]:
        if member := self._members.get(name):
            return member.route, member.scope["url_route"]["kwargs"]
        for route in self._routes:
            if match := route.pattern.fullmatch(name):
                return route, match.groupdict()
        return None, {}

    def _scope_of(self, name: str, kwargs: dict[str, str]) -> Any:
        route = {"args": (), "kwargs": kwargs}
        return {**self._scope, "topic": name, "path": name, "url_route": route}

    def _has_room(self) -> bool:
        if len(self._members) >= MOST_CONSUMERS:
            idle = (one for one in self._members.values() if one.may_end)
            if longest := next(idle, None):
                self._end(longest)
        return len(self._members) < MOST_CONSUMERS

    def _begin(self, route: Route, scope: Any) -> "Member":
        member = self._members[scope["topic"]] = Member(self, route, scope)
        self._tasks.add(member.task)
        member.task.add_done_callback(self._tasks.discard)
        member.task.add_done_callback(lambda _: self._forget(member))
        return member

    def _end(self, member: "Member") -> None:
        self._forget(member)
        member.end(at_once=False)

    def _forget(self, member: "Member") -> None:
        if self._members.get(member.scope["topic"]) is member:
            del self._members[member.scope["topic"]]


class Member:
    """One consumer, and what waits for it."""

    def __init__(self, dispatch: Dispatch, route: Route, scope: Any) -> None:
        self.route = route
        self.scope = scope
        self.used = monotonic()
        self._dispatch = dispatch
        self._waiting: deque[Any] = deque([CONNECT])
        self._bytes = 0
        self._arrived: Future[None] | None = None
        self._given: Any = None
        self._tries = 0
        self._is_ending = False
        self.task = create_task(self._run())

    @property
    def may_end(self) -> bool:
        """Whether it has nothing to do, and can begin again with the next message."""
        is_idle = self._arrived is not None and not self._waiting
        return is_idle and not self.route.is_lasting

    def take(self, event: Any) -> bool:
        """Keep a message for the consumer; return whether there was room."""
        size = _size(event)
        if (
            len(self._waiting) >= MOST_WAITING
            or self._bytes + size > MOST_BYTES
            or self._dispatch.waiting_bytes + size > MOST_BYTES_IN_ALL
        ):
            return False
        self.used = monotonic()
        self._count(size)
        self._put(event)
        return True

    def end(self, *, at_once: bool) -> None:
        if at_once:
            if CONNECT in self._waiting:
                self.task.cancel()  # no mqtt.disconnect without mqtt.connect
            self._waiting.clear()
            self._count(-self._bytes)
        self._is_ending = True
        self._put(DISCONNECT)

    def _put(self, event: Any) -> None:
        self._waiting.append(event)
        if self._arrived and not self._arrived.done():
            self._arrived.set_result(None)

    def _count(self, size: int) -> None:
        self._bytes += size
        self._dispatch.waiting_bytes += size

    async def _run(self) -> None:
        """Run the consumer, and another one if it ends too early."""
        name = self.scope["topic"]
        while self._tries < MOST_TRIES:
            self._tries += 1
            began = monotonic()
            try:
                await self.route.application(self.scope, self.receive, self._dispatch.send)
            except Exception:
                if self._tries <= 1:  # of those in a row only the first is logged
                    logger.exception("%.200r: the consumer has failed", name)
            await self._acknowledge()
            lasts = self.route.is_lasting and not self._is_ending
            if not lasts and not any(event["type"] == "mqtt.msg" for event in self._waiting):
                return
            if monotonic() - began > IDLE_SECONDS:
                self._tries = 0
            if not self._waiting or self._waiting[0] is not CONNECT:
                self._waiting.appendleft(CONNECT)
            await sleep(PAUSE if self._tries else 0)
        logger.error("%.200r: no consumer begins: what waits is refused", name)
        while self._waiting:
            event = await self.receive()
            if event["type"] == "mqtt.msg" and self.route.busy:
                await self._dispatch.send(self.route.busy(self.scope, event["mqtt"]))
        await self._acknowledge()

    async def receive(self) -> Any:
        await self._acknowledge()
        while not self._waiting:
            self._arrived = get_running_loop().create_future()
            await self._arrived
        self._arrived = None
        event = self._waiting.popleft()
        if event["type"] == "mqtt.msg":
            self._given = event
            self._tries = 0
            self._count(-_size(event))
        return event

    async def _acknowledge(self) -> None:
        if event := self._given:
            self._given = None
            await self._dispatch.acknowledge(event)


def _size(event: Any) -> int:
    """Estimate the bytes that a message takes while it waits: a device chooses its topic too."""
    message = event["mqtt"]
    names = (message["topic"], *chain(*message.get("user_properties", {}).items()))
    return MESSAGE_BYTES + len(message["payload"]) + sum(map(len, names))
