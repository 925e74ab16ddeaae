"""The page: the exhibits, to be seen and tried in a browser."""

import re
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from consumers.catalogue import CATALOGUE, EDITIONS, Exhibit
from routing.urls import is_mounted
from sandbox.compare.probes import CONTRACT, TABLES
from sandbox.presets import presets, reasons
from sandbox.source import highlighted, side_by_side

ROOM = "lobby"
REQUEST = '{"message": "hi"}'
ISOLATION = "routing/isolation.py"

STALL = ("stock", "echo", "tuned")
"""Editions that show what a blocked consumer does to the others, the instructive one first."""


class Card(NamedTuple):
    """What the page shows of an exhibit."""

    exhibit: Exhibit
    title: str
    colour: str
    """Of its functions: sync or async."""
    path: str
    commands: dict[str, str]
    """What to type, by where to type it."""


Edition: TypeAlias = tuple[str, str, list[Card]]
"""Its name, its sentence, its exhibits."""


# The sections.


def index(request: HttpRequest) -> HttpResponse:
    """Compare, and the list of exhibits."""
    context = {
        "editions": _echoing(request),
        "all_editions": _editions(request),
        "presets": presets(),
        "reasons": reasons(),
    }
    return render(request, "sandbox/index.html", context)


def race(request: HttpRequest) -> HttpResponse:
    largest = settings.LIMITS.max_message_bytes - len('{"message":""}')
    context = {"editions": _echoing(request), "largest": largest}
    return render(request, "sandbox/race.html", context)


def stall(request: HttpRequest) -> HttpResponse:
    editions = {edition[0]: edition for edition in _editions(request)}
    context = {
        "editions": [editions[name] for name in STALL if name in editions],
        "delay": f"{min(1.0, settings.LIMITS.max_delay):g}",
        "file": ISOLATION,
        "lines": highlighted(ISOLATION),
    }
    return render(request, "sandbox/stall.html", context)


def source(request: HttpRequest) -> HttpResponse:
    left = _exhibit(request.GET.get("left", "echo/websocket"))
    right = _exhibit(request.GET.get("right", "echo/async-websocket"))
    rows = list(side_by_side(left.source, right.source))
    context = {
        "exhibits": _mounted(),
        "left": left,
        "right": right,
        "rows": rows,
        "changes": sum(row.changed for row in rows),
    }
    return render(request, "sandbox/source.html", context)


def rooms(request: HttpRequest) -> HttpResponse:
    return render(request, "sandbox/rooms.html", {"cards": _cards(request, "rooms", room="ROOM")})


def scope(request: HttpRequest) -> HttpResponse:
    return render(request, "sandbox/scope.html", {"cards": _cards(request, "scope")})


# Each exhibit.


def exhibit(request: HttpRequest, edition: str, slug: str) -> HttpResponse:
    shown = _exhibit(f"{edition}/{slug}")
    context = {
        "card": _card(request, shown),
        "sentence": EDITIONS[edition],
        "file": shown.source,
        "lines": highlighted(shown.source),
        "twin": _twin(shown),
    }
    return render(request, "sandbox/exhibit.html", context)


def speaks_websocket(request: HttpRequest, exhibit: Exhibit, **_route: str) -> HttpResponse:
    """Tell a browser that opened the address of a WebSocket consumer what lives there."""
    context = {"card": _card(request, exhibit)}
    response = render(request, "sandbox/speaks_websocket.html", context, status=426)
    response["Connection"] = "Upgrade"
    response["Upgrade"] = "websocket"
    return response


def _mounted() -> list[Exhibit]:
    return [exhibit for exhibit in CATALOGUE if is_mounted(exhibit)]


def _exhibit(wanted: str) -> Exhibit:
    for exhibit in _mounted():
        if exhibit.id == wanted:
            return exhibit
    raise Http404(f"There is no exhibit {wanted!r}.")


def _twin(exhibit: Exhibit) -> Exhibit:
    """Find the same consumer in the other colour, or else the one that all begin with."""
    other = "async-" + exhibit.slug
    if exhibit.slug.startswith("async-"):
        other = exhibit.slug.removeprefix("async-")
    mounted = {exhibit.id: exhibit for exhibit in _mounted()}
    return mounted.get(f"{exhibit.edition}/{other}", CATALOGUE[0])


def _cards(request: HttpRequest, edition: str, room: str = ROOM) -> list[Card]:
    mounted = _mounted()
    return [_card(request, exhibit, room) for exhibit in mounted if exhibit.edition == edition]


def _editions(request: HttpRequest) -> list[Edition]:
    return [
        (name, EDITIONS[name], [_card(request, exhibit) for exhibit in exhibits])
        for name, exhibits in groupby(_mounted(), attrgetter("edition"))
    ]


def _echoing(request: HttpRequest) -> list[Edition]:
    """Keep the editions that answer each request with its echo."""
    return [edition for edition in _editions(request) if TABLES.get(edition[0]) is CONTRACT]


def _card(request: HttpRequest, exhibit: Exhibit, room: str = ROOM) -> Card:
    is_bare = exhibit.consumer.endswith(".application")
    path = re.sub("<[^>]+>", room, exhibit.url)
    return Card(
        exhibit,
        title="ASGI callable" if is_bare else exhibit.type,
        colour="async" if is_bare or exhibit.type.startswith("Async") else "sync",
        path=path,
        commands=_commands(exhibit, request.build_absolute_uri(path)),
    )


def _commands(exhibit: Exhibit, url: str) -> dict[str, str]:
    """Scope tells what it knows unasked; all others want a request."""
    asks = exhibit.edition != "scope"
    if exhibit.protocol == "websocket":
        url = url.replace("http", "ws", 1)
        onopen = f"\nsocket.onopen = () => socket.send('{REQUEST}');"
        return {
            "Shell": f".venv/bin/websockets {url}",
            "Browser console": f'const socket = new WebSocket("{url}");\n'
            "socket.onmessage = (event) => console.log(event.data);" + (onopen if asks else ""),
        }
    post = f", {{method: \"POST\", body: '{REQUEST}'}}" if asks else ""
    commands = {
        "Shell": f"curl -d '{REQUEST}' {url}" if asks else f"curl {url}",
        "Browser console": f'const reply = await fetch("{url}"{post});\n'
        "console.log(await reply.text());",
    }
    if exhibit.edition == "rooms":
        commands["Shell, to listen"] = f"curl -N -H 'Accept: text/event-stream' {url}"
    return commands
