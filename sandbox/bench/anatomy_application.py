"""What ``anatomy`` measures: one echo, from bare ASGI to a consumer, one cost more in each step.

Read it from top to bottom. Each step is an ASGI application that answers as the one before it does,
and does one thing more. It is at ``/TYPE/STEP/``; what the names of steps mean to a reader of the
report is in ``experiments/anatomy.py``.
"""

import gc
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import django
from asgiref.sync import async_to_sync
from channels.auth import AuthMiddlewareStack
from channels.db import aclose_old_connections, database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.utils import await_many_dispatch
from django.conf import settings
from django.urls import path
from django.utils.module_loading import import_string

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
django.setup(set_prefix=False)  # before anything that imports a model

from consumers.catalogue import CATALOGUE  # noqa: E402 # needs the apps
from consumers.contract import Error, Reply, Request, answer, decode, encode  # noqa: E402
from consumers.contract_http import decode_http, encode_http, json_headers  # noqa: E402
from routing.backpressure import with_backpressure  # noqa: E402
from routing.ending import ended_once  # noqa: E402
from routing.host import HostValidator  # noqa: E402
from routing.isolation import isolated  # noqa: E402
from routing.origin import BrowserOriginValidator  # noqa: E402
from routing.refusal import not_found  # noqa: E402
from routing.urls import THREADS  # noqa: E402
from sandbox.bench.thread_each import with_a_thread_each  # noqa: E402

TYPES = ("websocket", "async-websocket", "json-websocket", "async-json-websocket", "async-http")
Handle = Callable[[Any], Awaitable[None]]


# What there is to do for one event: nothing but to send back what came.


def websocket_reply(event: Any) -> Any:
    match event["type"]:
        case "websocket.connect":
            return {"type": "websocket.accept"}
        case "websocket.receive":
            return {"type": "websocket.send", "text": event["text"]}
    raise StopConsumer


def websocket_echo(send: Any) -> Handle:
    async def handle(event: Any) -> None:
        await send(websocket_reply(event))

    return handle


def http_echo(send: Any) -> Handle:
    parts = []

    async def handle(event: Any) -> None:
        parts.append(event.get("body", b""))
        if not event.get("more_body"):
            body = b"".join(parts)
            headers = json_headers(body)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            raise StopConsumer

    return handle


ECHOES = {"websocket": websocket_echo, "http": http_echo}


# bare: the server, and a loop.


async def bare(scope: Any, receive: Any, send: Any) -> None:
    handle = ECHOES[scope["type"]](send)
    with suppress(StopConsumer):
        while True:
            await handle(await receive())


# routing: Channels finds the application by protocol and URL. Once for each WebSocket, or request.


def routed(application: Any) -> Any:
    urls = URLRouter([path("<slug:type>/<slug:step>/", application)])
    return ProtocolTypeRouter({"websocket": urls, "http": urls})


# guards: what this project puts in front of each consumer: checks of Host and Origin, and for each
# event the files routing/ending.py and routing/backpressure.py.


def guarded(
    application: Any, isolate: Callable[[Any], Any] = lambda application: application
) -> Any:
    application = isolate(with_backpressure(ended_once(application)))
    urls = URLRouter([path("<slug:type>/<slug:step>/", application)])
    routers = {"websocket": BrowserOriginValidator(urls), "http": urls}
    return HostValidator(ProtocolTypeRouter(routers))


# session: Channels' AuthMiddlewareStack: the session and the user in the scope. It looks at the
# session with each event that is sent, and for each HTTP request it switches threads.
#
# From here on, what is in front of each step is the same.


def in_front(
    application: Any, isolate: Callable[[Any], Any] = lambda application: application
) -> Any:
    return guarded(AuthMiddlewareStack(application), isolate)


# tasks: Channels' loop, which can wait for a channel layer as well. It makes a task for each event.


async def with_tasks(scope: Any, receive: Any, send: Any) -> None:
    with suppress(StopConsumer):
        await await_many_dispatch([receive], ECHOES[scope["type"]](send))


# hop: before each event Channels' async consumers close old database connections. That is done on
# the one thread of all synchronous code: there and back.


async def with_hop(scope: Any, receive: Any, send: Any) -> None:
    handle = ECHOES[scope["type"]](send)

    async def dispatch(event: Any) -> None:
        await aclose_old_connections()
        await handle(event)

    with suppress(StopConsumer):
        await await_many_dispatch([receive], dispatch)


# handler-on-thread: Channels' sync consumers run the whole handler on that thread: as often there
# and back, ...


async def with_handler_on_thread(_scope: Any, receive: Any, send: Any) -> None:
    async def dispatch(event: Any) -> None:
        await send(await reply_on_thread(event))

    with suppress(StopConsumer):
        await await_many_dispatch([receive], dispatch)


reply_on_thread = database_sync_to_async(websocket_reply)


# send-from-thread: ... and each reply is sent from the handler: the thread waits while the event
# loop sends it.


async def with_send_from_thread(_scope: Any, receive: Any, send: Any) -> None:
    send_and_wait = async_to_sync(send)

    @database_sync_to_async
    def dispatch(event: Any) -> None:
        send_and_wait(websocket_reply(event))

    with suppress(StopConsumer):
        await await_many_dispatch([receive], dispatch)


# generic: the base class of Channels. It looks for a handler of each event by its name, and calls
# receive() or handle(), which still sends back what came.


class GenericSync(WebsocketConsumer):
    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.send(text_data, bytes_data)


class GenericAsync(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data, bytes_data)


class GenericHttp(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        await self.send_response(200, body, headers=json_headers(body))


# codec: the contract's JSON: decode, check, answer, encode. The JSON types do it in methods.


def decoded(data: str | bytes | None) -> Request | Error:
    return decode(data or b"", settings.LIMITS)


class CodecSync(WebsocketConsumer):
    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.send(encode(answer(decoded(text_data or bytes_data))))


class CodecAsync(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(encode(answer(decoded(text_data or bytes_data))))


class CodecJsonSync(JsonWebsocketConsumer):
    def receive_json(self, content: Request | Error) -> None:
        self.send_json(answer(content))

    @classmethod
    def decode_json(cls, text_data: str) -> Request | Error:
        return decoded(text_data)

    @classmethod
    def encode_json(cls, content: Reply) -> str:
        return encode(content)


class CodecJsonAsync(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: Request | Error) -> None:
        await self.send_json(answer(content))

    @classmethod
    async def decode_json(cls, text_data: str) -> Request | Error:
        return decoded(text_data)

    @classmethod
    async def encode_json(cls, content: Reply) -> str:
        return encode(content)


class CodecHttp(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        request = decode_http(self.scope, body, settings.LIMITS)
        reply = encode_http(self.scope["method"], request)
        await self.send_response(reply.status, reply.body, headers=reply.headers)


# log: the consumers of the edition echo: with a connection log, of which nothing is printed here,
# and a look at the delay. This is the whole consumer; what follows is put around it, one at a time.


ECHO = {slug: f"echo/{slug}" for slug in TYPES}
TUNED = {slug: f"tuned/{slug}" for slug in TYPES}


def consumer_of(exhibit: str) -> Any:
    return import_string(next(one.consumer for one in CATALOGUE if one.id == exhibit))


# printed: one line of log for each message, printed.

lines = logging.getLogger("anatomy")
lines.addHandler(logging.StreamHandler())
lines.setLevel(logging.DEBUG)
lines.propagate = False


def printing(consumer: Any) -> Any:
    class Printing(consumer):  # type: ignore[misc] # a class that is only known at run time
        def receive(self, *args: Any, **kwargs: Any) -> Any:
            self.print_line()
            return super().receive(*args, **kwargs)

        def handle(self, body: bytes) -> Any:
            self.print_line()
            return super().handle(body)

        def print_line(self) -> None:
            lines.debug("%s:%s %s receive", *self.scope["client"], self.scope["path"])

    return Printing


# thread-each: isolation by a thread for each connection, as Django does it for each request.
# pool: isolation by the threads of routing/isolation.py, as this project does it.

pool = partial(isolated, threads=THREADS)


# tuned-session and tuned: the edition tuned in place of Channels' loop and thread switches, with
# the session stack in front of it and without.


def applications(slug: str) -> dict[str, Any]:
    """All steps of one type, in order, with what is in front of each."""
    is_async, is_http = slug.startswith("async-"), slug.endswith("http")
    echo, tuned = consumer_of(ECHO[slug]), consumer_of(TUNED[slug])
    generic: Any = GenericHttp if is_http else GenericAsync if is_async else GenericSync
    codec: Any = {
        "websocket": CodecSync,
        "async-websocket": CodecAsync,
        "json-websocket": CodecJsonSync,
        "async-json-websocket": CodecJsonAsync,
        "async-http": CodecHttp,
    }[slug]
    hops = (
        {"hop": with_hop}
        if is_async
        else {
            "handler-on-thread": with_handler_on_thread,
            "send-from-thread": with_send_from_thread,
        }
    )
    return {
        "bare": bare,
        "routing": routed(bare),
        "guards": guarded(bare),
        "session": in_front(bare),
        "tasks": in_front(with_tasks),
        **{name: in_front(application) for name, application in hops.items()},
        "generic": in_front(generic.as_asgi()),
        "codec": in_front(codec.as_asgi()),
        "log": in_front(echo.as_asgi()),
        "printed": in_front(printing(echo).as_asgi()),
        "thread-each": in_front(echo.as_asgi(), with_a_thread_each),
        "pool": in_front(echo.as_asgi(), pool),
        "tuned-session": in_front(tuned.as_asgi(), pool),
        "tuned": guarded(tuned.as_asgi(), pool),
        "bare-again": bare,
    }


APPLICATIONS = {
    f"/{slug}/{step}/": application
    for slug in TYPES
    for step, application in applications(slug).items()
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Look the step up by its path: that costs each of them the same."""
    await APPLICATIONS.get(scope["path"], not_found)(scope, receive, send)


gc.collect()
gc.freeze()  # as in sandbox/asgi.py
