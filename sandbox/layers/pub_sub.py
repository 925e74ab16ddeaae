"""The Redis Pub/Sub channel layer, with a bound on what waits for a slow consumer.

It overrides private names of channels_redis, which has no public ones for this. They hold for the
range of versions in pyproject.toml; tests/layers/test_private_names.py lists them.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any
from uuid import uuid4

from channels_redis.pubsub import (  # type: ignore[import-untyped] # it has no types
    RedisPubSubChannelLayer,
    RedisPubSubLoopLayer,
    RedisSingleShardConnection,
)
from channels_redis.utils import decode_hosts  # type: ignore[import-untyped] # it has no types
from redis.exceptions import RedisError

from consumers.channel_layer import LAYER_ERRORS, LAYER_SECONDS
from sandbox.layers.drops import DropCounter


class BoundedQueue(asyncio.Queue[bytes]):
    """The messages that wait for one consumer; over capacity the newest is dropped."""

    def __init__(self, channel: str, capacity: int, drops: DropCounter) -> None:
        super().__init__(capacity)
        self.channel = channel
        self.drops = drops

    def put_nowait(self, item: bytes) -> None:
        if self.full():
            self.drops.add(self.channel)
        else:
            super().put_nowait(item)


class SubscriptionConnection(RedisSingleShardConnection):  # type: ignore[misc] # it has no types
    """A connection on which ``subscribe`` returns when Redis has made the subscription.

    The stock one returns earlier. Messages are published over another connection, so the next one
    could overtake the subscription, and a consumer that was already accepted would miss it. The
    stock one also sleeps 0.1 s at a time while it has no subscription, so this one keeps one.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.kept_channel = f"kept.{uuid4().hex}"
        self.pongs: dict[bytes, asyncio.Future[None]] = {}

    async def subscribe(self, channel: str) -> None:
        ping = uuid4().bytes
        pong = self.pongs[ping] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(LAYER_SECONDS):
                await super().subscribe(self.kept_channel)
                await super().subscribe(channel)
                async with self._lock:
                    self._ensure_receiver()
                    await self._pubsub.ping(ping)
                await pong  # Redis does in order what comes over one connection
        finally:
            del self.pongs[ping]

    def _ensure_receiver(self) -> None:
        if self._pubsub.subscribed:  # or it would begin with a sleep
            super()._ensure_receiver()

    def _receive_message(self, message: Any) -> None:
        if message and message["type"] == "pong":
            pong = self.pongs.get(message["data"])
            if pong and not pong.done():
                pong.set_result(None)
        else:
            super()._receive_message(message)


class LoopLayer(RedisPubSubLoopLayer):  # type: ignore[misc] # it has no types
    """The layer of one event loop, in which a failed subscription leaves nothing behind."""

    def __init__(self, *, hosts: Any, channel_layer: "PubSubLayer", **config: Any) -> None:
        super().__init__(hosts, channel_layer=channel_layer, **config)
        self._shards = [SubscriptionConnection(host, self) for host in decode_hosts(hosts)]

    async def _subscribe_to_channel(self, channel: str) -> None:
        connection = self._get_shard(channel)
        capacity, drops = self.channel_layer.capacity, self.channel_layer.drops
        self.channels[channel] = BoundedQueue(channel, capacity, drops)
        try:
            await connection.subscribe(channel)
        except BaseException:
            del self.channels[channel]
            with suppress(*LAYER_ERRORS):
                await connection.unsubscribe(channel)
            raise

    async def group_add(self, group: str, channel: str) -> None:
        try:
            await super().group_add(group, channel)
        except BaseException:
            with suppress(*LAYER_ERRORS):
                await self.group_discard(group, channel)
            raise


class PubSubLayer(RedisPubSubChannelLayer):  # type: ignore[misc] # it has no types
    """The stock layer bounds no queue, and may lose the first messages after ``group_add``."""

    def __init__(self, *, capacity: int, **config: Any) -> None:
        super().__init__(**config)
        self.capacity = capacity
        self.drops = DropCounter()

    def _get_layer(self) -> LoopLayer:
        loop = asyncio.get_running_loop()
        if loop not in self._layers:
            super()._get_layer()  # it makes the loop close the connections when it ends
            self._layers[loop] = LoopLayer(channel_layer=self, **self._kwargs)
        layer: LoopLayer = self._layers[loop]
        return layer


class ShortRedisErrors(logging.Filter):
    """The stock layer logs an outage of Redis with a traceback each second; this leaves a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], RedisError):
            record.msg = f"{record.msg} {record.exc_info[1]}"
            record.exc_info = None
        return True
