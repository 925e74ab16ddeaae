"""Every exhibit: one consumer at one URL.

The routes, the test ids, ``compare``, ``bench`` and the page are all made from this list.
"""

import re
from dataclasses import dataclass
from typing import Literal


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

    @property
    def edition(self) -> str:
        return self.id.partition("/")[0]

    @property
    def slug(self) -> str:
        return self.id.partition("/")[2]

    @property
    def type(self) -> str:
        """The class of Channels behind the slug: ``async-http`` is ``AsyncHttpConsumer``."""
        return self.slug.title().replace("-", "") + "Consumer"

    @property
    def protocol(self) -> Literal["http", "websocket"]:
        return "http" if self.slug.endswith("http") else "websocket"

    @property
    def routes(self) -> tuple[str, ...]:
        return (self.route or f"{self.id}/", *self.aliases)

    @property
    def url(self) -> str:
        """The path a client asks for, in the room "lobby" where there are rooms."""
        return self.url_in("lobby")

    def url_in(self, room: str) -> str:
        """The path a client asks for in that room."""
        return "/" + re.sub("<.*?>", room, self.routes[0])

    @property
    def source(self) -> str:
        """The file that holds the consumer, from the project's root."""
        return self.consumer.rpartition(".")[0].replace(".", "/") + ".py"


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
    Exhibit("floor/websocket", "consumers.floor.websocket.application"),
    Exhibit("floor/http", "consumers.floor.http.application"),
    # Through the channel layer.
    *(
        Exhibit(
            f"rooms/{slug}",
            f"consumers.rooms.{slug.replace('-', '_')}.RoomConsumer",
            route=f"rooms/<room:room>/{slug}/",
        )
        for slug in (
            "websocket",
            "async-websocket",
            "json-websocket",
            "async-json-websocket",
            "async-http",
        )
    ),
    Exhibit("worker/async-json-websocket", "consumers.worker.async_json_websocket.EchoConsumer"),
    # What a consumer knows about its connection.
    Exhibit("scope/websocket", "consumers.scope.websocket.ScopeConsumer"),
    Exhibit("scope/async-http", "consumers.scope.async_http.ScopeConsumer"),
)

EDITIONS: dict[str, str] = {
    "echo": "The contract, kept by all five types.",
    "tutorial": "The same echo as tutorials write it, with no care for bad input.",
    "stock": "The classes of echo without thread isolation: one visitor can stall all.",
    "tuned": "The echo consumers, with Channels' per-message costs taken away by mixins.",
    "floor": "The contract in a bare ASGI callable: the limit any consumer can reach.",
    "rooms": "An echo to everyone in the room, through the channel layer.",
    "worker": "An echo done by a consumer in another process, run by runworker.",
    "scope": "What a consumer knows about its connection.",
}
"""Each edition in one sentence, in the order they are shown."""

WORKERS: dict[str, str] = {
    "echo-sync": "consumers.worker.echo_sync.EchoWorker",
    "echo-async": "consumers.worker.echo_async.EchoWorker",
}
"""Each channel that ``runworker`` may listen to, and the consumer that takes what comes there."""
