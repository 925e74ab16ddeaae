"""The site: every exhibit, to read and to try in a browser."""

import re
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import get_script_prefix, reverse
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from consumers.bot.models import Invitation
from consumers.catalogue import BOTS, CATALOGUE, Edition, Exhibit, exhibits
from consumers.outage import UnavailableError, reading
from routing.urls import RoomConverter, is_mounted
from sandbox.choices import Choice, choices, conditions
from sandbox.compare.output.html import context
from sandbox.compare.output.matrix import COMMITTED, committed
from sandbox.site.choosing import ChooseForm, address_of
from sandbox.site.documents import as_html, documents
from sandbox.site.on_the_wire import WireForm, record, takes_message
from sandbox.site.presets import presets, reasons
from sandbox.site.source import highlighted, side_by_side

REQUEST = '{"message": "hi"}'
ISOLATION = "routing/isolation.py"
PLAIN = "text/plain"
MAX_INVITATIONS = 1000
"""In all rooms: visitors make them."""
TOO_MANY_INVITATIONS = (
    f"The bots are in {MAX_INVITATIONS} rooms already: first send one away, from any room."
)


class Card(NamedTuple):
    """An exhibit as the site shows it."""

    exhibit: Exhibit
    title: str
    path: str
    commands: dict[str, str]
    """What to type, by where to type it."""


Cards: TypeAlias = list[tuple[Edition, list[Card]]]
"""Editions, each with its exhibits."""


# The sections.


def choose(request: HttpRequest) -> HttpResponse:
    """Four questions and, once they are answered, what we recommend."""
    form = ChooseForm(request.GET or None)
    chosen = form.chosen() if form.is_valid() else None
    context = {
        "form": form,
        "chosen": chosen and _recommendation(request, chosen),
        "notes": form.notes() if chosen else [],
        "all": [_recommendation(request, choice) for choice in choices()],
        "conditions": conditions(),
    }
    return render(request, "site/choose.html", context)


def index(request: HttpRequest) -> HttpResponse:
    """Compare, and the list of exhibits."""
    context = {
        "editions": _echoing(request),
        "all_editions": _by_edition(request),
        "presets": presets(),
        "reasons": reasons(),
    }
    return render(request, "site/index.html", context)


def matrix(request: HttpRequest) -> HttpResponse:
    result = committed()
    context = {
        "result": result,
        "servers": len({target["server"] for target in result["targets"]}),
        "environments": len({target["environment"] for target in result["targets"]}),
        "total": f"{sum(result['count'].values()):,}",
        "matrix": _matrix(),
    }
    return render(request, "site/matrix.html", context)


def matrix_result(_: HttpRequest) -> HttpResponse:
    """What the page loads after it is painted: 800 kB."""
    return HttpResponse(COMMITTED.read_bytes(), content_type="application/json")


@cache
def _matrix() -> str:
    """Render once what is the same in every answer."""
    return render_to_string("compare/output/matrix.html", context(committed()))


def race(request: HttpRequest) -> HttpResponse:
    largest = settings.LIMITS.max_message_bytes - len('{"message":""}')
    context = {"editions": _echoing(request), "largest": largest}
    return render(request, "site/race.html", context)


def stall(request: HttpRequest) -> HttpResponse:
    editions = [
        (edition, cards)
        for edition, cards in _echoing(request)
        if edition.keeps_contract and any(not card.exhibit.is_async for card in cards)
    ]
    # First come the editions in which one connection may block the others.
    editions.sort(key=lambda shown: shown[0].isolated)
    context = {
        "editions": editions,
        "delay": f"{min(1.0, settings.LIMITS.max_delay):g}",
        "file": ISOLATION,
        "lines": highlighted(ISOLATION),
        "threads": settings.SYNC_THREADS,
    }
    return render(request, "site/stall.html", context)


def source(request: HttpRequest) -> HttpResponse:
    left = _exhibit(request.GET.get("left", "echo/websocket"))
    right = _exhibit(request.GET.get("right", "echo/async-websocket"))
    rows = list(side_by_side(left.source, right.source))
    context = {
        "exhibits": _mounted(CATALOGUE),
        "left": left,
        "right": right,
        "rows": rows,
        "changes": sum(row.changed for row in rows),
    }
    return render(request, "site/source.html", context)


def rooms(request: HttpRequest) -> HttpResponse:
    room = request.GET.get("room", "lobby")
    if not re.fullmatch(RoomConverter.regex, room):
        raise Http404(f"{room!r} is not the name of a room.")
    cards = [_card(request, exhibit, room) for exhibit in _mounted(exhibits("rooms"))]
    context = {
        "room": room,
        "cards": cards,
        "in_memory": not settings.REDIS_URL,
        "bots": BOTS,
        "invited": _invited(room) if settings.REDIS_URL else None,
        "presence": f"{get_script_prefix()}rooms/{room}/members/",
    }
    return render(request, "site/rooms.html", context)


def _invited(room: str) -> set[str] | None:
    """Which bots are in a room; None while the database does not answer."""
    try:
        with reading.watch():
            return set(Invitation.objects.filter(room=room).values_list("bot", flat=True))
    except UnavailableError:
        return None


@require_POST
def bots(request: HttpRequest) -> HttpResponse:
    """Invite a bot to a room, or send it away: the button's name says which, its value the bot."""
    room = request.POST.get("room", "")
    if not re.fullmatch(RoomConverter.regex, room):
        return HttpResponseBadRequest("That is not the name of a room.", content_type=PLAIN)
    invited, sent_away = request.POST.get("invite"), request.POST.get("send_away")
    if {invited, sent_away} - {None, *BOTS}:
        return HttpResponseBadRequest(f"The bots are {', '.join(BOTS)}.", content_type=PLAIN)
    if invited:
        if Invitation.objects.count() >= MAX_INVITATIONS:
            return HttpResponse(TOO_MANY_INVITATIONS, status=409, content_type=PLAIN)
        Invitation.objects.get_or_create(room=room, bot=invited)
    if sent_away:
        Invitation.objects.filter(room=room, bot=sent_away).delete()
    return redirect(reverse("rooms") + "?" + urlencode({"room": room}))


def scope(request: HttpRequest) -> HttpResponse:
    cards = [_card(request, exhibit) for exhibit in _mounted(exhibits("scope"))]
    context = {"cards": cards, "seconds": f"{settings.SIGNED_IN_SECONDS:g}"}
    return render(request, "site/scope.html", context)


def document(request: HttpRequest, name: str) -> HttpResponse:
    if name not in documents():
        raise Http404(f"There is no page {name!r} in docs/.")
    html = as_html(name, request.build_absolute_uri(get_script_prefix()).removesuffix("/"))
    return render(request, "site/document.html", {"name": name, "names": documents(), "html": html})


class Recommendation(NamedTuple):
    """A choice as the site shows it."""

    choice: Choice
    address: str
    """The answers that lead to it, as a query; empty if none do."""
    card: Card | None
    """The exhibit to try, where there is one."""
    counterpart: Exhibit | None
    docs: str
    """The URL of the section that says more."""


def _recommendation(request: HttpRequest, choice: Choice) -> Recommendation:
    shown = choice.exhibit
    page, _, section = choice.docs.removeprefix("docs/").partition(".md")
    return Recommendation(
        choice,
        address_of(choice),
        _card(request, shown) if shown else None,
        _counterpart(shown) if shown else None,
        reverse("document", args=[page]) + section,
    )


# Each exhibit.


def exhibit(request: HttpRequest, edition: str, slug: str) -> HttpResponse:
    shown = _exhibit(f"{edition}/{slug}")
    return _show_exhibit(request, shown, form=WireForm(shown))


@require_http_methods(["GET", "HEAD", "POST"])
async def wire(request: HttpRequest, edition: str, slug: str) -> HttpResponse:
    """Connect to the exhibit as any client does, and show each frame."""
    shown = _exhibit(f"{edition}/{slug}")
    if request.method != "POST":  # the address of a result, opened again
        return redirect("exhibit", edition, slug)
    form = WireForm(shown, request.POST)
    if not form.is_valid():
        return _show_exhibit(request, shown, form=form)
    address, port = getattr(request, "scope", {}).get("server") or ("", None)
    if port is None:
        return _show_exhibit(
            request, shown, form=form, failure="This server does not know its own port."
        )
    path = get_script_prefix().rstrip("/") + shown.url
    trace, failure = await record(
        shown, (address, port), path, request.get_host(), form.cleaned_data
    )
    frames = [(event, event.excerpt.removesuffix("\r\n\r\n")) for event in trace.events]
    return _show_exhibit(request, shown, form=form, frames=frames, failure=failure)


def _show_exhibit(request: HttpRequest, shown: Exhibit, **wire: Any) -> HttpResponse:
    context = {
        "card": _card(request, shown),
        "file": shown.source,
        "lines": highlighted(shown.source),
        "counterpart": _counterpart(shown),
        "takes_message": takes_message(shown),
        **wire,
    }
    return render(request, "site/exhibit.html", context)


@csrf_exempt  # it changes nothing, and a refused POST would not learn what the URL needs
def upgrade_required(request: HttpRequest, exhibit: Exhibit, **_route: str) -> HttpResponse:
    """Answer a client that asked for the URL of a WebSocket consumer over HTTP."""
    context = {"card": _card(request, exhibit)}
    response = render(request, "site/upgrade_required.html", context, status=426)
    response["Connection"] = "Upgrade"
    response["Upgrade"] = "websocket"
    return response


def _mounted(candidates: tuple[Exhibit, ...]) -> list[Exhibit]:
    return [exhibit for exhibit in candidates if is_mounted(exhibit)]


def _exhibit(wanted: str) -> Exhibit:
    for exhibit in _mounted(CATALOGUE):
        if exhibit.id == wanted:
            return exhibit
    raise Http404(f"There is no exhibit {wanted!r}.")


def _counterpart(exhibit: Exhibit) -> Exhibit:
    """Find the async exhibit that matches a sync one or the reverse, else the first exhibit."""
    other = "async-" + exhibit.slug
    if exhibit.slug.startswith("async-"):
        other = exhibit.slug.removeprefix("async-")
    matches = (one for one in exhibits(exhibit.edition.name) if one.slug == other)
    return next(matches, CATALOGUE[0])


def _by_edition(request: HttpRequest) -> Cards:
    return [
        (edition, [_card(request, exhibit) for exhibit in group])
        for edition, group in groupby(_mounted(CATALOGUE), attrgetter("edition"))
    ]


def _echoing(request: HttpRequest) -> Cards:
    """Keep the editions that answer each request with its echo."""
    return [shown for shown in _by_edition(request) if shown[0].is_echo]


def _card(request: HttpRequest, exhibit: Exhibit, room: str = "lobby") -> Card:
    path = get_script_prefix().rstrip("/") + exhibit.url_in(room)
    return Card(
        exhibit,
        title=exhibit.type if exhibit.is_consumer else "ASGI callable",
        path=path,
        commands=_commands(exhibit, request.build_absolute_uri(path)),
    )


def _commands(exhibit: Exhibit, url: str) -> dict[str, str]:
    answers = exhibit.edition.answers
    if exhibit.protocol == "websocket":
        url = url.replace("http", "ws", 1)
        onopen = f"\nsocket.onopen = () => socket.send('{REQUEST}');"
        return {
            "Shell": f".venv/bin/websockets {url}",
            "Browser console": f'const socket = new WebSocket("{url}");\n'
            "socket.onmessage = (event) => console.log(event.data);" + (onopen if answers else ""),
        }
    post = f", {{method: \"POST\", body: '{REQUEST}'}}" if answers else ""
    commands = {
        "Shell": f"curl -d '{REQUEST}' {url}" if answers else f"curl {url}",
        "Browser console": f'const reply = await fetch("{url}"{post});\n'
        "console.log(await reply.text());",
    }
    if exhibit.edition.has_event_stream:
        commands["Shell, event stream"] = f"curl -N -H 'Accept: text/event-stream' {url}"
    return commands
