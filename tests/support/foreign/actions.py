"""Consumers that choose what to do by a member of the message.

``actions`` answers each message that it cannot use with an error, as chanx does. It takes its time,
so that a client that vanishes at once has left before its reply is sent. ``commands`` catches its
own errors only, and ignores a command that it does not know, as the multichat example of Channels
does.
"""

import json
from asyncio import sleep
from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

settings.configure(SECRET_KEY="only for tests", DATABASES={})  # noqa: S106 # it keeps nothing


class ActionConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()
        await self.send(json.dumps({"action": "hello"}))

    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        try:
            content = json.loads(text_data or bytes_data, parse_constant=_refuse)
            action, message = content["action"], content.get("payload", {}).get("message")
            if action == "ping":
                reply: dict[str, Any] = {"action": "pong"}
            elif action == "chat" and isinstance(message, str):
                await sleep(0.005)
                reply = {"action": "chat", "payload": {"message": f"Reply: {message}"}}
            else:
                reply = {"action": "error", "payload": "unknown action"}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            reply = {"action": "error", "payload": "invalid message"}
        await self.send(json.dumps(reply))


def _refuse(constant: str) -> None:
    raise ValueError(constant)


class CommandConsumer(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: Any, **_: Any) -> None:
        command = content.get("command", None)
        if command == "join":
            await self.send_json({"join": str(content["room"]), "title": "A room"})


route: Any = path  # its stubs know views only
application = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [
                route("ws/actions/", ActionConsumer.as_asgi()),
                route("ws/commands/", CommandConsumer.as_asgi()),
            ]
        )
    }
)
