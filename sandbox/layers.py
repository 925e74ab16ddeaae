"""Channel layers that bound what waits for a slow consumer, and say what they drop."""

import asyncio
import logging
from typing import Any
from uuid import uuid4

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer
from channels_redis.pubsub import (  # type: ignore[import-untyped] # it has no types
    RedisPubSubChannelLayer,
)
from redis.exceptions import RedisError

logger = logging.getLogger("channels.layers")


class Drops:
    """How many messages a layer has dropped."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, channel: str) -> None:
        self.count += 1
        if self.count & (self.count - 1) == 0:  # said at 1, 2, 4, 8: a flood is told in few lines
            logger.warning("%s is over capacity: %d dropped by now.", channel, self.count)


class InMemoryLayer(InMemoryChannelLayer):
    """The stock layer drops a group's message for a full channel, unsaid."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.drops = Drops()

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        try:
            await super().send(channel, message)
        except ChannelFull:
            self.drops.add(channel)
            raise


class Mailbox(asyncio.Queue[bytes]):
    """What waits for one consumer; over capacity the newest message is dropped."""

    def __init__(self, channel: str, capacity: int, drops: Drops) -> None:
        super().__init__(capacity)
        self.channel = channel
        self.drops = drops

    def put_nowait(self, item: bytes) -> None:
        if self.full():
            self.drops.add(self.channel)
        else:
            super().put_nowait(item)


class PubSubLayer(RedisPubSubChannelLayer):  # type: ignore[misc] # it has no types
    """The stock layer lets messages for a slow consumer pile up without bound."""

    def __init__(self, *, capacity: int, **config: Any) -> None:
        super().__init__(**config)
        self.capacity = capacity
        self.drops = Drops()

    async def new_channel(self, prefix: str = "specific.") -> str:
        layer = self._get_layer()
        channel = f"{layer.prefix}{prefix}{uuid4().hex}"
        layer.channels[channel] = Mailbox(channel, self.capacity, self.drops)
        try:
            await layer._get_shard(channel).subscribe(channel)  # noqa: SLF001 # as its own does
        except BaseException:
            del layer.channels[channel]
            raise
        return channel


class Brief(logging.Filter):
    """The stock layer tells an outage of Redis in a traceback each second; a line will do."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], RedisError):
            record.msg = f"{record.msg} {record.exc_info[1]}"
            record.exc_info = None
        return True
