"""The site, with consumers that end with their user's session, and a URL that changes users."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

from channels.db import database_sync_to_async
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.test import Client
from django.urls import path, re_path
from django.utils import timezone

from consumers import connection_log
from routing.ending import ended_once
from routing.isolation import isolated
from routing.session import with_session
from routing.signed_in import while_signed_in
from sandbox.asgi import application as site

EVERY = 0.2
"""Seconds between two checks."""
SLOW = 2.0
"""Seconds for which the message "slow" keeps its handler."""


def describe(user: Any) -> str:
    return f"{user.get_username() or 'a visitor'}{', staff' if user.is_staff else ''}"


class SyncConsumer(WebsocketConsumer):
    def connect(self) -> None:
        connection_log.connected(self.scope)
        self.accept()

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if (text_data or bytes_data) == "slow":
            time.sleep(SLOW)
        self.send(describe(self.scope["user"]))

    def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)


class AsyncConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        connection_log.connected(self.scope)
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if (text_data or bytes_data) == "slow":
            await asyncio.sleep(SLOW)
        await self.send(describe(self.scope["user"]))

    async def disconnect(self, code: int) -> None:
        connection_log.disconnected(self.scope, code)


class StreamConsumer(AsyncHttpConsumer):
    async def http_request(self, message: Any) -> None:  # noqa: ARG002 # as Channels calls it
        await self.send_headers(headers=[(b"Content-Type", b"text/event-stream")])
        await self.send_body(b"data: hi\n\n", more_body=True)

    async def disconnect(self) -> None:
        connection_log.disconnected(self.scope)


class UsersConsumer(AsyncHttpConsumer):
    """Make a user and a session, whose key is the response; or change a user."""

    async def handle(self, body: bytes) -> None:  # noqa: ARG002 # as Channels calls it
        query = dict(parse_qsl(self.scope["query_string"].decode()))
        done = await database_sync_to_async(change)(**query)
        await self.send_response(200, done.encode())


def change(action: str, name: str) -> str:
    from django.contrib.auth.models import User  # noqa: PLC0415 # needs the apps
    from django.contrib.sessions.models import Session  # noqa: PLC0415 # needs the apps

    if action == "create":
        client = Client()
        client.force_login(User.objects.create(username=name))
        return client.cookies["sessionid"].value
    user = User.objects.get(username=name)
    match action:
        case "delete":
            user.delete()
        case "deactivate":
            User.objects.filter(pk=user.pk).update(is_active=False)
        case "promote":
            User.objects.filter(pk=user.pk).update(is_staff=True)
        case "change password":
            user.set_password("enigma")
            user.save()
        case "expire":
            Session.objects.update(expire_date=timezone.now())
        case _:
            raise ValueError(action)
    return ""


def _watched(consumer: Any) -> Any:
    return ended_once(with_session(while_signed_in(consumer.as_asgi(), EVERY)))


# Any: the stubs of path() and re_path() know Django's views only, not ASGI applications.
sockets: list[Any] = [
    path("sync/", _watched(SyncConsumer)),
    path("async/", _watched(AsyncConsumer)),
]
users: Any = UsersConsumer.as_asgi()
others: Any = site
pages: list[Any] = [
    path("stream/", _watched(StreamConsumer)),
    path("users/", users),
    re_path("", others),
]
application = isolated(
    ProtocolTypeRouter({"websocket": URLRouter(sockets), "http": URLRouter(pages)}),
    ThreadPoolExecutor(8),
)
