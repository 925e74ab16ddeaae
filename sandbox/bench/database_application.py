"""What ``database`` measures: consumers that reach the ORM in three ways, isolated in three ways.

An application of its own, so that nothing else in its process touches a database. A consumer is at
``/ISOLATION/WAY/``, and so is its neighbour, which asks no database.
"""

import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import django
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.db.backends.signals import connection_created
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
django.setup(set_prefix=False)  # before anything that imports a model

from django.contrib.contenttypes.models import ContentType  # noqa: E402 # needs the apps

from consumers.contract import Error, Request, answer, decode, encode  # noqa: E402 # after it too
from routing.isolation import isolated  # noqa: E402 # needs the apps
from routing.origin import BrowserOriginValidator  # noqa: E402 # needs the apps
from routing.refusal import not_found  # noqa: E402 # needs the apps
from sandbox.bench.thread_each import with_a_thread_each  # noqa: E402 # needs the apps


def add_pg_sleep(connection: Any, **_: Any) -> None:
    """Give SQLite the function of PostgreSQL by which a query takes its time."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("pg_sleep", 1, time.sleep)


def query(request: Request | Error) -> QuerySet[ContentType]:
    """Make the one query of a message, which takes as long as the request says."""
    if not request.delay:
        return ContentType.objects.all()
    # A subquery that refers to no row runs once, however many rows there are.
    asleep = RawSQL("(select pg_sleep(%s)) is null", [request.delay], BooleanField())
    return ContentType.objects.filter(asleep)


def count(request: Request | Error) -> None:
    query(request).count()


class Sync(WebsocketConsumer):
    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        request = decode(text_data or bytes_data or b"", settings.LIMITS)
        count(request)
        self.send(encode(answer(request)))


class Wrapped(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        request = decode(text_data or bytes_data or b"", settings.LIMITS)
        await database_sync_to_async(count)(request)
        await self.send(encode(answer(request)))


class AsyncOrm(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        request = decode(text_data or bytes_data or b"", settings.LIMITS)
        await query(request).acount()
        await self.send(encode(answer(request)))


class Neighbour(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        request = decode(text_data or bytes_data or b"", settings.LIMITS)
        await self.send(encode(answer(request)))


def stock(application: Any) -> Any:
    """Leave it as Channels does: one thread for the synchronous code of all connections."""
    return application


THREADS = ThreadPoolExecutor(settings.SYNC_THREADS, thread_name_prefix="sync")
ISOLATIONS: dict[str, Callable[[Any], Any]] = {
    "stock": stock,
    "thread-each": with_a_thread_each,
    "pool": partial(isolated, threads=THREADS),
}
WAYS: dict[str, Any] = {
    "sync": Sync,
    "wrapped": Wrapped,
    "async-orm": AsyncOrm,
    "neighbour": Neighbour,
}

connection_created.connect(add_pg_sleep)
patterns: list[Any] = [  # Any: as in routing/urls.py
    *(
        path(f"{isolation}/{way}/", isolate(consumer.as_asgi()))
        for isolation, isolate in ISOLATIONS.items()
        for way, consumer in WAYS.items()
    ),
    re_path("", not_found),  # type: ignore[arg-type] # an ASGI application, no view
]
application = ProtocolTypeRouter(
    {"http": not_found, "websocket": BrowserOriginValidator(URLRouter(patterns))}
)

gc.collect()
gc.freeze()  # as in sandbox/asgi.py
