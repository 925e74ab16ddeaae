"""Who may open a WebSocket, and what is agreed."""

from typing import Any

from websockets.exceptions import InvalidHandshake

from sandbox import wire
from sandbox.checkup.check import Check, Cost, Grade
from sandbox.checkup.client import Caller
from sandbox.checkup.outcomes import Handshake, Outcome, Skipped, Tried
from sandbox.compare.observations import (
    BrokenHandshake,
    Closed,
    NoConnection,
    Opened,
    Refused,
    Silence,
)
from sandbox.wire import ClosedError, RefusedError

GROUP = "Opening"
FOREIGN = "https://evil.example"


async def _try(caller: Caller, trace: wire.Trace, **handshake: Any) -> Tried:
    """Open a connection, and see whether it is of use."""
    opened: Handshake | None = None
    try:
        async with caller.open(trace, **handshake) as client:
            opened = Opened(client.socket.subprotocol, client.socket.is_compressed)
            await client.ask(caller.request(), max(1.0, 3 * caller.habits.window))
            return Tried(opened, is_answered=True)
    except RefusedError as error:
        return Tried(Refused(error.status))
    except ClosedError as error:
        return Tried(Closed(error.code))
    except InvalidHandshake as error:
        return Tried(BrokenHandshake(str(error)))
    except TimeoutError:
        return Tried(opened or Silence(caller.target.manner.seconds))
    except OSError as error:
        return Tried(NoConnection(str(error)))


async def no_origin(caller: Caller, trace: wire.Trace) -> Outcome:
    return await _try(caller, trace, origin=None)


async def own_origin(caller: Caller, trace: wire.Trace) -> Outcome:
    return await _try(caller, trace, origin=caller.target.own_origin)


async def foreign_origin(caller: Caller, trace: wire.Trace) -> Outcome:
    return await _try(caller, trace, origin=FOREIGN)


async def other_host(caller: Caller, trace: wire.Trace) -> Outcome:
    headers = [one for one in caller.target.manner.headers if one[0].lower() != "host"]
    return await _try(caller, trace, headers=(*headers, ("Host", "evil.example")))


async def subprotocol(caller: Caller, trace: wire.Trace) -> Outcome:
    if not caller.target.manner.subprotocols:
        return Skipped("No --subprotocol is given.")
    return await _try(caller, trace)


def _opens(outcome: Outcome, _caller: Caller) -> Grade:
    return "good" if isinstance(outcome, Tried) and outcome.is_answered else "note"


def _opens_to_all(outcome: Outcome, _caller: Caller) -> Grade:
    match outcome:
        case Tried(handshake=Opened()):  # without an answer too: that may only be late
            return "bad"
        case Tried(handshake=Refused() | Closed() | BrokenHandshake()):
            return "good"
    return "note"  # a server that does not answer has refused nothing


def _opens_to_host(outcome: Outcome, caller: Caller) -> Grade:
    return "good" if _opens_to_all(outcome, caller) == "good" else "note"


def _agrees(outcome: Outcome, _caller: Caller) -> Grade:
    match outcome:
        case Tried(handshake=Opened(subprotocol=str())):
            return "good"
    return "bad"


OPENING: tuple[Check, ...] = (
    Check(
        "no-origin",
        GROUP,
        "A client that sends no Origin, as no browser does.",
        "AllowedHostsOriginValidator of Channels refuses a missing Origin, and so command-line "
        "clients, apps and monitoring.",
        "routing/origin.py",
        _opens,
        no_origin,
    ),
    Check(
        "own-origin",
        GROUP,
        "A page of the same site.",
        "If the site's own pages are refused, its Origin is missing in ALLOWED_HOSTS or in a list "
        "of origins.",
        "routing/origin.py",
        _opens,
        own_origin,
    ),
    Check(
        "foreign-origin",
        GROUP,
        f"A page of another site, {FOREIGN}.",
        "Browsers let any page open a WebSocket to you, with your visitor's cookies; only the "
        "server can refuse it.",
        "routing/origin.py",
        _opens_to_all,
        foreign_origin,
    ),
    Check(
        "other-host",
        GROUP,
        "A request for another Host, evil.example.",
        "Django's ALLOWED_HOSTS does not reach WebSockets, so nothing stops DNS rebinding.",
        "routing/host.py",
        _opens_to_host,
        other_host,
    ),
    Check(
        "subprotocol",
        GROUP,
        "A handshake with the subprotocols of --subprotocol.",
        "A browser that offers subprotocols ends a connection for which none is chosen.",
        "docs/checkup.md#subprotocols",
        _agrees,
        subprotocol,
        cost=Cost(),
    ),
)
