"""Every exhibit, which is one consumer at one URL, and what is true of each edition.

The routes, the test ids, ``compare``, ``bench`` and the page are all made from these two lists.
To add an edition: a folder next to this file, one ``Edition``, one ``Exhibit`` for each consumer.
"""

import re
from dataclasses import dataclass
from typing import Literal

ROOM_NAME = r"(?!\.{1,2}(?:/|$))[a-zA-Z0-9_.-]{1,94}"
"""What the name of a group may hold: under 100 characters, its prefix "room." included.

In a path "." and ".." are no names: a browser resolves them before it asks.
"""


@dataclass(frozen=True, slots=True)
class Edition:
    """What is true of all exhibits of one edition. The defaults are those of ``echo``."""

    name: str
    sentence: str
    """What the edition shows."""
    probes: str = "contract"
    """Which probes ``compare`` puts to it: a key of ``sandbox.compare.probes.TABLES``."""
    keeps_contract: bool = True
    """Errors, and replies where it has no probes of its own, are the contract's, byte for byte, and
    a ``delay`` is waited for."""
    isolated: bool = True
    """Synchronous code runs on threads that no other connection can block: routing/isolation.py."""
    session: bool = False
    """Its consumers find the session and the user in the scope: AuthMiddlewareStack is in front."""
    debug_only: bool = False
    """It has URLs only while ``DEBUG``."""
    origin_checked: bool = False
    """HTTP requests from foreign web pages are refused too, because they would change something."""
    http_status: int = 200
    """The status of a good HTTP reply."""
    has_event_stream: bool = False
    """An HTTP GET follows the room as server-sent events."""
    remembers: bool = False
    """Messages are stored: a client that names the last id that it has gets what it missed."""
    answers: bool = True
    """Requests are answered. Otherwise the consumer speaks by itself, when a client connects."""
    measured: bool = False
    """``bench`` measures it unless asked for others."""
    is_baseline: bool = False
    """``bench`` measures all others against it."""
    costs_as: str = ""
    """The name of an edition whose types cost the same: ``bench`` need not draw both curves."""

    @property
    def is_echo(self) -> bool:
        return self.probes == "contract"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One consumer at one URL: its id is ``<edition>/<slug>``, its URL the same unless said."""

    id: str
    consumer: str
    """Dotted path of the consumer class, or of a bare ASGI callable."""
    route: str = ""
    """URL path without the leading slash, in the syntax of ``django.urls.path``."""
    aliases: tuple[str, ...] = ()
    """Further routes to the same consumer."""
    topic: str = ""
    """Of a device: where it publishes its requests, with ``<client>`` for its name."""

    @property
    def edition(self) -> Edition:
        return EDITIONS[self.id.partition("/")[0]]

    @property
    def slug(self) -> str:
        return self.id.partition("/")[2]

    @property
    def type(self) -> str:
        """The class of Channels behind the slug: ``async-http`` is ``AsyncHttpConsumer``."""
        return self.slug.title().replace("-", "") + "Consumer"

    @property
    def is_consumer(self) -> bool:
        """Whether a class of Channels is at work, and not a bare ASGI callable."""
        return not self.consumer.endswith(".application")

    @property
    def is_async(self) -> bool:
        return self.slug.partition("-")[0] == "async" or not self.is_consumer

    @property
    def kind(self) -> Literal["sync", "async"]:
        return "async" if self.is_async else "sync"

    @property
    def is_device(self) -> bool:
        """Whether its clients are devices: they reach it by a topic of a broker, and by no URL."""
        return bool(self.topic)

    @property
    def protocol(self) -> Literal["http", "mqtt", "websocket"]:
        if self.is_device:
            return "mqtt"
        return "http" if self.slug.endswith("http") else "websocket"

    @property
    def routes(self) -> tuple[str, ...]:
        return (self.route or f"{self.id}/", *self.aliases)

    @property
    def has_rooms(self) -> bool:
        return "<room:" in self.routes[0]

    @property
    def url(self) -> str:
        """The path a client asks for, in the room "lobby" where there are rooms."""
        return self.url_in("lobby")

    def url_in(self, room: str) -> str:
        """The path a client asks for in that room."""
        return "/" + re.sub("<.*?>", room, self.routes[0])

    def topic_of(self, client: str) -> str:
        """Where a device of that name publishes its requests."""
        return self.topic.replace("<client>", client)

    @property
    def source(self) -> str:
        """The file that holds the consumer, from the project's root."""
        return self.consumer.rpartition(".")[0].replace(".", "/") + ".py"


EDITIONS: dict[str, Edition] = {
    edition.name: edition
    for edition in (
        Edition("echo", "The contract, kept by all five types.", measured=True),
        Edition(
            "tutorial",
            "The echo as tutorials write it: bad input is not handled.",
            keeps_contract=False,
            measured=True,
            costs_as="echo",
        ),
        Edition(
            "stock",
            "The classes of echo without isolation: a consumer that blocks delays all others.",
            isolated=False,
            debug_only=True,
            measured=True,
        ),
        Edition(
            "tuned",
            "The echo consumers, with mixins that remove Channels' cost for each message.",
            measured=True,
        ),
        Edition(
            "baseline",
            "The contract in a bare ASGI callable, with which every consumer is compared.",
            measured=True,
            is_baseline=True,
        ),
        Edition(
            "mirror",
            "Sends every message back unread, for protocol test suites.",
            probes="mirror",
            keeps_contract=False,
        ),
        Edition(
            "rooms",
            "An echo to everyone in the room, through the channel layer.",
            probes="rooms",
            origin_checked=True,
            http_status=202,
            has_event_stream=True,
        ),
        Edition(
            "history",
            "A room that remembers: a client that reconnects gets what it missed.",
            probes="history",
            origin_checked=True,
            http_status=202,
            has_event_stream=True,
            remembers=True,
        ),
        Edition(
            "tuned-rooms",
            "The rooms consumers, with mixins that remove Channels' cost for each event.",
            probes="rooms",
            origin_checked=True,
        ),
        Edition(
            "history-wrapped",
            "The history consumer with the plain ORM in database_sync_to_async.",
            probes="history",
            remembers=True,
        ),
        Edition(
            "history-stock",
            "The consumer of history-wrapped without thread isolation.",
            probes="history",
            isolated=False,
            debug_only=True,
            remembers=True,
        ),
        Edition(
            "worker",
            "A consumer in another process, which runworker runs, makes the replies.",
            probes="worker",
        ),
        Edition(
            "scope",
            "What a consumer knows about its connection.",
            probes="scope",
            session=True,
            answers=False,
        ),
        Edition(
            "mqtt",
            "The echo for devices that speak MQTT, with topics instead of URLs.",
            probes="mqtt",
        ),
    )
}
"""By name, in the order they are shown."""

CATALOGUE: tuple[Exhibit, ...] = (
    # The contract.
    Exhibit("echo/websocket", "consumers.echo.websocket.EchoConsumer"),
    Exhibit("echo/async-websocket", "consumers.echo.async_websocket.EchoConsumer"),
    Exhibit("echo/json-websocket", "consumers.echo.json_websocket.EchoConsumer"),
    Exhibit("echo/async-json-websocket", "consumers.echo.async_json_websocket.EchoConsumer"),
    Exhibit("echo/async-http", "consumers.echo.async_http.EchoConsumer"),
    # The same echo, trusting.
    Exhibit(
        "tutorial/websocket", "consumers.tutorial.websocket.ChatConsumer", aliases=("ws/chat/",)
    ),
    Exhibit("tutorial/async-websocket", "consumers.tutorial.async_websocket.ChatConsumer"),
    Exhibit("tutorial/json-websocket", "consumers.tutorial.json_websocket.ChatConsumer"),
    Exhibit(
        "tutorial/async-json-websocket", "consumers.tutorial.async_json_websocket.ChatConsumer"
    ),
    Exhibit("tutorial/async-http", "consumers.tutorial.async_http.ChatConsumer"),
    # The classes of echo, as Channels leaves them: without thread isolation.
    Exhibit("stock/websocket", "consumers.echo.websocket.EchoConsumer"),
    Exhibit("stock/async-websocket", "consumers.echo.async_websocket.EchoConsumer"),
    Exhibit("stock/json-websocket", "consumers.echo.json_websocket.EchoConsumer"),
    Exhibit("stock/async-json-websocket", "consumers.echo.async_json_websocket.EchoConsumer"),
    Exhibit("stock/async-http", "consumers.echo.async_http.EchoConsumer"),
    # The contract, with the framework's per-message costs taken away.
    Exhibit("tuned/websocket", "consumers.tuned.websocket.EchoConsumer"),
    Exhibit("tuned/async-websocket", "consumers.tuned.async_websocket.EchoConsumer"),
    Exhibit("tuned/json-websocket", "consumers.tuned.json_websocket.EchoConsumer"),
    Exhibit("tuned/async-json-websocket", "consumers.tuned.async_json_websocket.EchoConsumer"),
    Exhibit("tuned/async-http", "consumers.tuned.async_http.EchoConsumer"),
    # No consumer at all.
    Exhibit("baseline/websocket", "consumers.baseline.websocket.application"),
    Exhibit("baseline/http", "consumers.baseline.http.application"),
    # No contract either.
    Exhibit("mirror/websocket", "consumers.mirror.websocket.MirrorConsumer"),
    Exhibit("mirror/async-websocket", "consumers.mirror.async_websocket.MirrorConsumer"),
    Exhibit("mirror/asgi", "consumers.mirror.asgi.application"),
    # Through the channel layer, and through the database.
    *(
        Exhibit(
            f"{edition}/{slug}",
            f"consumers.{edition}.{slug.replace('-', '_')}.{consumer}",
            route=f"{edition}/<room:room>/{slug}/",
        )
        for edition, consumer in (("rooms", "RoomConsumer"), ("history", "HistoryConsumer"))
        for slug in (
            "websocket",
            "async-websocket",
            "json-websocket",
            "async-json-websocket",
            "async-http",
        )
    ),
    *(
        Exhibit(
            f"tuned-rooms/{slug}",
            f"consumers.tuned_rooms.{slug.replace('-', '_')}.RoomConsumer",
            route=f"tuned-rooms/<room:room>/{slug}/",
        )
        for slug in ("websocket", "async-websocket", "json-websocket", "async-json-websocket")
    ),
    # Another way to the database, with thread isolation and without.
    *(
        Exhibit(
            f"{edition}/async-websocket",
            "consumers.history_wrapped.async_websocket.WrappedConsumer",
            route=f"{edition}/<room:room>/async-websocket/",
        )
        for edition in ("history-wrapped", "history-stock")
    ),
    Exhibit("worker/async-json-websocket", "consumers.worker.async_json_websocket.EchoConsumer"),
    # What a consumer knows about its connection.
    Exhibit("scope/websocket", "consumers.scope.websocket.ScopeConsumer"),
    Exhibit("scope/async-http", "consumers.scope.async_http.ScopeConsumer"),
)

DEVICES: tuple[Exhibit, ...] = (
    Exhibit(
        "mqtt/sync",
        "consumers.mqtt.echo_sync.EchoConsumer",
        topic="sandbox/echo-sync/<client>/request",
    ),
    Exhibit(
        "mqtt/async",
        "consumers.mqtt.echo_async.EchoConsumer",
        topic="sandbox/echo/<client>/request",
    ),
)
"""The exhibits that have a topic, and no URL: those of devices, which speak MQTT.

They are a list of their own because nearly all that is made from CATALOGUE is about URLs. The
answer comes on the topic that ends with ``reply``.
"""


def exhibits(edition: str) -> tuple[Exhibit, ...]:
    """The exhibits of one edition, in the order of the catalogue."""
    return tuple(one for one in (*CATALOGUE, *DEVICES) if one.edition.name == edition)


WORKERS: dict[str, str] = {
    "echo-sync": "consumers.worker.echo_sync.EchoWorker",
    "echo-async": "consumers.worker.echo_async.EchoWorker",
}
"""Each channel that ``runworker`` may listen to, and the consumer that takes what comes there."""

BOTS: dict[str, str] = {
    "bot-sync": "consumers.bot.bot_sync.Bot",
    "bot-async": "consumers.bot.bot_async.Bot",
}
"""The same for the bots, which answer in the rooms they are invited to."""
