"""The Redis Pub/Sub channel layer, with a bound on what waits for a slow consumer."""

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
from sandbox.layers.drops import Drops


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


class Shard(RedisSingleShardConnection):  # type: ignore[misc] # it has no types
    """The stock one does not wait until Redis has made a subscription.

    Messages are published over another connection, so the next one could overtake the
    subscription, and would be lost for whoever had just been told to be present. And it naps for
    0.1 s at a time while there is no subscription at all, so one stays for good.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.anchor = f"anchor.{uuid4().hex}"
        self.pongs: dict[bytes, asyncio.Future[None]] = {}

    async def subscribe(self, channel: str) -> None:
        ping = uuid4().bytes
        pong = self.pongs[ping] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(LAYER_SECONDS):
                await super().subscribe(self.anchor)
                await super().subscribe(channel)
                async with self._lock:
                    self._ensure_receiver()
                    await self._pubsub.ping(ping)
                await pong  # Redis does in order what comes over one connection
        finally:
            del self.pongs[ping]

    def _ensure_receiver(self) -> None:
        if self._pubsub.subscribed:  # or it would begin with a nap
            super()._ensure_receiver()

    def _receive_message(self, message: Any) -> None:
        if message and message["type"] == "pong":
            pong = self.pongs.get(message["data"])
            if pong and not pong.done():
                pong.set_result(None)
        else:
            super()._receive_message(message)


class LoopLayer(RedisPubSubLoopLayer):  # type: ignore[misc] # it has no types
    """The layer of one event loop; what could not be subscribed to leaves nothing behind."""

    def __init__(self, *, hosts: Any, channel_layer: "PubSubLayer", **config: Any) -> None:
        super().__init__(hosts, channel_layer=channel_layer, **config)
        self._shards = [Shard(host, self) for host in decode_hosts(hosts)]

    async def new_channel(self, prefix: str = "specific.") -> str:
        channel = f"{self.prefix}{prefix}{uuid4().hex}"
        shard = self._get_shard(channel)
        capacity, drops = self.channel_layer.capacity, self.channel_layer.drops
        self.channels[channel] = Mailbox(channel, capacity, drops)
        try:
            await shard.subscribe(channel)
        except BaseException:
            del self.channels[channel]
            with suppress(*LAYER_ERRORS):
                await shard.unsubscribe(channel)
            raise
        return channel

    async def group_add(self, group: str, channel: str) -> None:
        try:
            await super().group_add(group, channel)
        except BaseException:
            with suppress(*LAYER_ERRORS):
                await self.group_discard(group, channel)
            raise


class PubSubLayer(RedisPubSubChannelLayer):  # type: ignore[misc] # it has no types
    """The stock layer lets messages for a slow consumer pile up, and may lose a member's first."""

    def __init__(self, *, capacity: int, **config: Any) -> None:
        super().__init__(**config)
        self.capacity = capacity
        self.drops = Drops()

    def _get_layer(self) -> LoopLayer:
        loop = asyncio.get_running_loop()
        if loop not in self._layers:
            super()._get_layer()  # which has the loop close its connections when it ends
            self._layers[loop] = LoopLayer(channel_layer=self, **self._kwargs)
        layer: LoopLayer = self._layers[loop]
        return layer


class Brief(logging.Filter):
    """The stock layer tells an outage of Redis in a traceback each second; a line will do."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], RedisError):
            record.msg = f"{record.msg} {record.exc_info[1]}"
            record.exc_info = None
        return True
