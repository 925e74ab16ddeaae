"""The page: the exhibits, to be seen and tried in a browser."""

import re
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from consumers.catalogue import CATALOGUE, EDITIONS, Exhibit
from routing.urls import is_mounted

ROOM = "lobby"
REQUEST = '{"message": "hi"}'


class Card(NamedTuple):
    """What the page shows of an exhibit."""

    exhibit: Exhibit
    title: str
    colour: str
    """Of its functions: sync or async."""
    path: str
    commands: dict[str, str]
    """What to type, by where to type it."""


def index(request: HttpRequest) -> HttpResponse:
    editions = [
        (edition, EDITIONS[edition], list(cards))
        for edition, cards in groupby(_cards(request), attrgetter("exhibit.edition"))
    ]
    return render(request, "sandbox/index.html", {"editions": editions})


def exhibit(request: HttpRequest, edition: str, slug: str) -> HttpResponse:
    for card in _cards(request):
        if card.exhibit.id == f"{edition}/{slug}":
            context = {"card": card, "sentence": EDITIONS[edition]}
            return render(request, "sandbox/exhibit.html", context)
    raise Http404(f"There is no exhibit {edition}/{slug}.")


def speaks_websocket(request: HttpRequest, exhibit: Exhibit, **_route: str) -> HttpResponse:
    """Tell a browser that opened the address of a WebSocket consumer what lives there."""
    context = {"card": _card(request, exhibit)}
    response = render(request, "sandbox/speaks_websocket.html", context, status=426)
    response["Connection"] = "Upgrade"
    response["Upgrade"] = "websocket"
    return response


def _cards(request: HttpRequest) -> list[Card]:
    return [_card(request, exhibit) for exhibit in CATALOGUE if is_mounted(exhibit)]


def _card(request: HttpRequest, exhibit: Exhibit) -> Card:
    is_bare = exhibit.consumer.endswith(".application")
    path = re.sub("<[^>]+>", ROOM, exhibit.url)
    return Card(
        exhibit,
        title="ASGI callable" if is_bare else exhibit.type,
        colour="async" if is_bare or exhibit.type.startswith("Async") else "sync",
        path=path,
        commands=_commands(exhibit, request.build_absolute_uri(path)),
    )


def _commands(exhibit: Exhibit, url: str) -> dict[str, str]:
    if exhibit.protocol == "http":
        return {
            "Shell": f"curl -d '{REQUEST}' {url}",
            "Browser console": f'const reply = await fetch("{url}", '
            f"{{method: \"POST\", body: '{REQUEST}'}});\nconsole.log(await reply.text());",
        }
    url = url.replace("http", "ws", 1)
    return {
        "Shell": f".venv/bin/websockets {url}",
        "Browser console": f'const socket = new WebSocket("{url}");\n'
        "socket.onmessage = (event) => console.log(event.data);\n"
        f"socket.onopen = () => socket.send('{REQUEST}');",
    }
