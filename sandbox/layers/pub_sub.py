"""The Redis Pub/Sub channel layer: what waits for a slow consumer is bounded, and gaps are counted.

On the wire it is ``channels_redis.pubsub.RedisPubSubChannelLayer`` with one host, the default
prefix and serializer: processes with either layer can share groups.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from msgspec import msgpack
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import parse_url

from sandbox.layers.drops import DropCounter, GapCounter
from sandbox.layers.redis_connections import Publisher, Subscriber

FORCED = {
    # redis-py reads RESP3 more slowly, and nothing in it is needed here.
    "protocol": 2,
    # All that waits has a limit of its own. The wait_for of Python 3.11 can hide a cancellation.
    "socket_timeout": None,
}
"""What a connection is made with, whatever the URL says."""
UNUSED_SECONDS = 10.0
"""After how long a channel is removed that is in no group any more, if no one receives on it."""


class Mailbox(asyncio.Queue[bytes]):
    """The messages that wait for one consumer; over capacity the newest is dropped."""

    def __init__(self, channel: str, capacity: int, drops: DropCounter) -> None:
        super().__init__(capacity)
        self.channel = channel
        self.drops = drops
        self.groups: set[str] = set()
        self.receivers = 0

    def put_nowait(self, item: bytes) -> None:
        if self.full():
            self.drops.add(self.channel)
        else:
            super().put_nowait(item)


class LoopLayer:
    """What the layer holds in one event loop: its connections, and who has which subscription."""

    def __init__(self, pool: ConnectionPool, gaps: GapCounter) -> None:
        self.publisher = Publisher(pool)
        self.subscriber = Subscriber(pool, self.deliver, gaps)
        self.channels: dict[str, Mailbox] = {}
        self.groups: dict[str, set[Mailbox]] = {}

    def deliver(self, name: str, data: bytes) -> None:
        if name in self.channels:
            self.channels[name].put_nowait(data)
        for mailbox in self.groups.get(name, ()):
            mailbox.put_nowait(data)

    async def open(self, mailbox: Mailbox) -> None:
        self.channels[mailbox.channel] = mailbox
        try:
            await self.subscriber.subscribe(mailbox.channel)
        except BaseException:
            self.close(mailbox)
            raise

    def close(self, mailbox: Mailbox) -> None:
        for group in list(mailbox.groups):
            self.leave(group, mailbox)
        if self.channels.get(mailbox.channel) is mailbox:
            del self.channels[mailbox.channel]
            self.subscriber.unsubscribe(mailbox.channel)

    def close_unused(self, mailbox: Mailbox) -> None:
        if not mailbox.groups and not mailbox.receivers:
            self.close(mailbox)

    async def join(self, group: str, mailbox: Mailbox) -> None:
        was_member = group in mailbox.groups
        self.groups.setdefault(group, set()).add(mailbox)
        mailbox.groups.add(group)
        try:
            await self.subscriber.subscribe(group)
        except BaseException:
            if not was_member:
                self.leave(group, mailbox)
            raise

    def leave(self, group: str, mailbox: Mailbox) -> None:
        mailbox.groups.discard(group)
        members = self.groups.get(group, set())
        if mailbox in members:
            members.remove(mailbox)
            if not members:
                del self.groups[group]
                self.subscriber.unsubscribe(group)


class PubSubLayer:
    """A channel layer with at most ``capacity`` messages waiting for each consumer.

    ``hosts`` has one host: its URL, or the arguments of redis.asyncio.ConnectionPool.from_url with
    the URL as ``address``. While Redis does not answer, the methods raise
    redis.exceptions.ConnectionError or TimeoutError. ``drops`` and ``gaps`` count what was lost.
    """

    extensions = ("groups", "flush")

    def __init__(
        self,
        *,
        hosts: Sequence[str | Mapping[str, Any]],
        capacity: int = 100,
        prefix: str = "asgi",
    ) -> None:
        if isinstance(hosts, str) or len(hosts) != 1:
            raise ValueError("The Pub/Sub layer takes a list with one host.")
        self._host = {"address": hosts[0]} if isinstance(hosts[0], str) else hosts[0]
        self.capacity = capacity
        self.prefix = prefix
        self.drops = DropCounter()
        self.gaps = GapCounter()
        self._loops: dict[asyncio.AbstractEventLoop, LoopLayer] = {}

    @staticmethod
    def serialize(message: Any) -> bytes:
        return msgpack.encode(message)

    @staticmethod
    def deserialize(data: bytes) -> Any:
        return msgpack.decode(data)

    async def new_channel(self, prefix: str = "specific.") -> str:
        """Return a name on which a consumer of this process can receive."""
        channel = f"{self.prefix}{prefix}{uuid4().hex}"
        await self._here().open(self._mailbox(channel))
        return channel

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        await self._here().publisher.publish(channel, self.serialize(message))

    async def receive(self, channel: str) -> Any:
        """Return the next message of the channel.

        When it is cancelled, the channel is removed, from its groups too: a consumer that ends has
        no other way to say so.
        """
        here = self._here()
        if channel not in here.channels:
            await here.open(self._mailbox(channel))
        mailbox = here.channels[channel]
        mailbox.receivers += 1
        try:
            return self.deserialize(await mailbox.get())
        except asyncio.CancelledError:
            here.close(mailbox)
            raise
        finally:
            mailbox.receivers -= 1

    async def group_add(self, group: str, channel: str) -> None:
        here = self._here()
        if channel not in here.channels:
            raise ValueError(f"There is no channel {channel} in this process to add to a group.")
        await here.join(self._group(group), here.channels[channel])

    async def group_discard(self, group: str, channel: str) -> None:
        """Take the channel out of the group, and remove it if it is not used any more.

        A consumer that ends while a message waits for it has no ``receive`` to cancel.
        """
        here = self._here()
        if mailbox := here.channels.get(channel):
            here.leave(self._group(group), mailbox)
            asyncio.get_running_loop().call_later(UNUSED_SECONDS, here.close_unused, mailbox)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await self._here().publisher.publish(self._group(group), self.serialize(message))

    def members(self, group: str) -> int:
        """Count those of this process: Redis knows only which processes have any."""
        return len(self.groups.get(self._group(group), ()))

    async def flush(self) -> None:
        """Forget all channels and groups of this event loop, and close its connections."""
        if here := self._loops.pop(asyncio.get_running_loop(), None):
            await here.publisher.close()
            await here.subscriber.close()

    @property
    def channels(self) -> dict[str, Mailbox]:
        """The mailboxes of this event loop, by channel."""
        return self._here().channels

    @property
    def groups(self) -> dict[str, set[Mailbox]]:
        """The members that each group has in this event loop."""
        return self._here().groups

    def _here(self) -> LoopLayer:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            for other in list(self._loops):  # a copy: other threads may have loops of their own
                if other.is_closed():
                    self._loops.pop(other, None)
            options = dict(self._host)
            url = options.pop("address")
            pool = ConnectionPool(**{**options, **parse_url(url), **FORCED})
            self._loops[loop] = LoopLayer(pool, self.gaps)
        return self._loops[loop]

    def _mailbox(self, channel: str) -> Mailbox:
        return Mailbox(channel, self.capacity, self.drops)

    def _group(self, group: str) -> str:
        return f"{self.prefix}__group__{group}"
