"""A chat room as the tutorial of Channels ends: one group, and no care for its input.

It takes one message at a time, and half a second for one that is no text.

As there, AllowedHostsOriginValidator is in front, which also refuses a missing Origin.
"""

import json
from asyncio import Lock, sleep
from typing import Any

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    SECRET_KEY="only for tests",  # noqa: S106 # it keeps nothing
    DATABASES={},
)

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 # needs the settings
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 # needs the settings
from channels.security.websocket import (  # noqa: E402 # needs the settings
    AllowedHostsOriginValidator,
)
from django.urls import path  # noqa: E402 # needs the settings

busy = Lock()


class ChatConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add("chat_lobby", self.channel_name)
        await self.accept()

    async def disconnect(self, _code: int) -> None:
        await self.channel_layer.group_discard("chat_lobby", self.channel_name)

    async def receive(self, text_data: Any = None, **_: Any) -> None:
        message = json.loads(text_data)["message"]
        event = {"type": "chat.message", "message": message}
        async with busy:
            if not isinstance(message, str):
                await sleep(0.5)
            await self.channel_layer.group_send("chat_lobby", event)

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps({"message": event["message"]}))


route: Any = path  # its stubs know views only
application = ProtocolTypeRouter(
    {
        "websocket": AllowedHostsOriginValidator(
            URLRouter([route("ws/chat/lobby/", ChatConsumer.as_asgi())])
        )
    }
)
