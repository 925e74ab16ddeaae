"""Somebody else's room, on each channel layer over Redis. Only ``careful/`` catches errors."""

import os
from typing import Any

from django.conf import settings

HOSTS = {"hosts": [os.environ["REDIS_URL"]]}
LAYERS = {
    "RedisPubSubChannelLayer": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "RedisChannelLayer": "channels_redis.core.RedisChannelLayer",
    "PubSubLayer": "sandbox.layers.pub_sub.PubSubLayer",
}
settings.configure(
    CHANNEL_LAYERS={alias: {"BACKEND": layer, "CONFIG": HOSTS} for alias, layer in LAYERS.items()}
)

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 # needs the settings
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 # needs the settings
from django.urls import path  # noqa: E402 # needs the settings
from redis.exceptions import RedisError  # noqa: E402 # with the others


class Member(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()

    async def receive(self, text_data: Any = None, **_: Any) -> None:
        await self.channel_layer.group_send("room", {"type": "said", "text": text_data})

    async def said(self, event: Any) -> None:
        await self.send(event["text"])


class CarefulMember(Member):
    async def receive(self, text_data: Any = None, **_: Any) -> None:
        try:
            await super().receive(text_data)
        except RedisError:
            await self.send("not sent")


def on(alias: str, member: type[Member]) -> Any:
    consumer: Any = type(alias, (member,), {"channel_layer_alias": alias})
    return consumer.as_asgi()


route: Any = path  # its stubs know views only
application = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [
                *(route(f"{alias}/", on(alias, Member)) for alias in LAYERS),
                route("careful/", on("PubSubLayer", CarefulMember)),
            ]
        )
    }
)
