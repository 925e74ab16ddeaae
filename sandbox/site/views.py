"""The page: the exhibits, to be seen and tried in a browser."""

from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from consumers.catalogue import CATALOGUE, Edition, Exhibit, exhibits
from routing.urls import is_mounted
from sandbox.compare.probes import CONTRACT, TABLES
from sandbox.site.presets import presets, reasons
from sandbox.site.source import highlighted, side_by_side

ROOM = "lobby"
REQUEST = '{"message": "hi"}'
ISOLATION = "routing/isolation.py"


class Card(NamedTuple):
    """What the page shows of an exhibit."""

    exhibit: Exhibit
    title: str
    path: str
    commands: dict[str, str]
    """What to type, by where to type it."""


Shown: TypeAlias = list[tuple[Edition, list[Card]]]
"""Editions, each with its exhibits."""


# The sections.


def index(request: HttpRequest) -> HttpResponse:
    """Compare, and the list of exhibits."""
    context = {
        "editions": _echoing(request),
        "all_editions": _editions(request),
        "presets": presets(),
        "reasons": reasons(),
    }
    return render(request, "site/index.html", context)


def race(request: HttpRequest) -> HttpResponse:
    largest = settings.LIMITS.max_message_bytes - len('{"message":""}')
    context = {"editions": _echoing(request), "largest": largest}
    return render(request, "site/race.html", context)


def stall(request: HttpRequest) -> HttpResponse:
    # Where one connection blocks the others comes first.
    editions = [
        (edition, cards)
        for edition, cards in sorted(_echoing(request), key=lambda shown: shown[0].isolated)
        if edition.keeps_contract and not all(card.exhibit.is_async for card in cards)
    ]
    context = {
        "editions": editions,
        "delay": f"{min(1.0, settings.LIMITS.max_delay):g}",
        "file": ISOLATION,
        "lines": highlighted(ISOLATION),
    }
    return render(request, "site/stall.html", context)


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
    return render(request, "site/source.html", context)


def rooms(request: HttpRequest) -> HttpResponse:
    return render(request, "site/rooms.html", {"cards": _cards(request, "rooms", room="ROOM")})


def scope(request: HttpRequest) -> HttpResponse:
    return render(request, "site/scope.html", {"cards": _cards(request, "scope")})


# Each exhibit.


def exhibit(request: HttpRequest, edition: str, slug: str) -> HttpResponse:
    shown = _exhibit(f"{edition}/{slug}")
    context = {
        "card": _card(request, shown),
        "sentence": shown.edition.sentence,
        "file": shown.source,
        "lines": highlighted(shown.source),
        "twin": _twin(shown),
    }
    return render(request, "site/exhibit.html", context)


def speaks_websocket(request: HttpRequest, exhibit: Exhibit, **_route: str) -> HttpResponse:
    """Tell a browser that opened the address of a WebSocket consumer what lives there."""
    context = {"card": _card(request, exhibit)}
    response = render(request, "site/speaks_websocket.html", context, status=426)
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
    """Find the sync consumer's async twin, the async one's sync twin, or else the first exhibit."""
    other = "async-" + exhibit.slug
    if exhibit.slug.startswith("async-"):
        other = exhibit.slug.removeprefix("async-")
    mounted = {exhibit.id: exhibit for exhibit in _mounted()}
    return mounted.get(f"{exhibit.edition.name}/{other}", CATALOGUE[0])


def _cards(request: HttpRequest, edition: str, room: str = ROOM) -> list[Card]:
    return [_card(request, one, room) for one in exhibits(edition) if is_mounted(one)]


def _editions(request: HttpRequest) -> Shown:
    return [
        (edition, [_card(request, exhibit) for exhibit in mounted])
        for edition, mounted in groupby(_mounted(), attrgetter("edition"))
    ]


def _echoing(request: HttpRequest) -> Shown:
    """Keep the editions that answer each request with its echo."""
    return [shown for shown in _editions(request) if TABLES[shown[0].probes] is CONTRACT]


def _card(request: HttpRequest, exhibit: Exhibit, room: str = ROOM) -> Card:
    path = exhibit.url_in(room)
    return Card(
        exhibit,
        title=exhibit.type if exhibit.is_consumer else "ASGI callable",
        path=path,
        commands=_commands(exhibit, request.build_absolute_uri(path)),
    )


def _commands(exhibit: Exhibit, url: str) -> dict[str, str]:
    asks = exhibit.edition.answers
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
    if exhibit.edition.has_event_stream:
        commands["Shell, to listen"] = f"curl -N -H 'Accept: text/event-stream' {url}"
    return commands
