"""Getting to know a consumer by its answers to the request that it knows."""

import asyncio
import re
import ssl
import time
from contextlib import suppress
from dataclasses import replace

from websockets.exceptions import InvalidHandshake
from websockets.frames import CloseCode

from sandbox.checkup.client import NOT_JSON, Caller, Path, as_text, marked, texts_in
from sandbox.checkup.target import DEFAULT_REQUEST, TargetError
from sandbox.wire import ClosedError, RefusedError

ROUND_TRIPS = 200
REST_SECONDS = 1.0
GREETING_SECONDS = 0.3
FASTEST_WINDOW, SLOWEST_WINDOW = 0.1, 1.5
MARKS = 5
"""So many texts of a request are tried at most."""


async def meet(caller: Caller) -> None:
    """Fill in the caller's habits. Raises TargetError."""
    await _open(caller)
    await _ask(caller)
    if await _is_shared(caller):
        caller.habits = replace(caller.habits, is_shared=True)
    caller.habits = replace(caller.habits, is_unread=await _is_unread(caller))
    caller.habits = replace(caller.habits, mark=await _mark(caller))


async def _open(caller: Caller) -> None:
    """See who may open it: a client without an Origin, or only a page of the same site."""
    try:
        greetings = await _greetings(caller)
    except TargetError as error:
        if caller.target.manner.origin is not None or not isinstance(
            error.__cause__, RefusedError | ClosedError
        ):
            raise
        # What validates the Origin may refuse a missing one.
        alone = caller.habits
        caller.habits = replace(alone, origin=caller.target.own_origin)
        try:
            greetings = await _greetings(caller)
        except TargetError:
            caller.habits = alone
            greetings = await _greetings(caller)
    caller.habits = replace(caller.habits, greetings=greetings)


async def _greetings(caller: Caller) -> int:
    name, seconds = caller.target.name, caller.target.manner.seconds
    try:
        async with caller.open(greeted=False) as client:
            return await client.followed(GREETING_SECONDS)
    except RefusedError as error:
        raise TargetError(_refusal(name, error)) from error
    except ClosedError as error:
        raise TargetError(
            f"{name} opens a connection and ends it at once ({error.code})."
            if error.code != CloseCode.ABNORMAL_CLOSURE
            else f"{name} accepts a connection and ends it without a handshake."
        ) from error
    except InvalidHandshake as error:
        raise TargetError(f"{name} does not speak WebSocket: {error}.") from error
    except TimeoutError as error:
        raise TargetError(f"{name} sends nothing within {seconds:g} s.") from error
    except ssl.SSLCertVerificationError as error:
        raise TargetError(
            f"The certificate of {name} is not valid: {error.verify_message.rstrip('.')}. "
            "--insecure accepts any."
        ) from error
    except ssl.SSLError as error:
        raise TargetError(f"{name} does not speak TLS: {error.reason or error}.") from error
    except OSError as error:
        raise TargetError(f"{name} does not answer: {error.strerror or error}.") from error


def _refusal(name: str, error: RefusedError) -> str:
    if error.location is not None:
        place = error.location.partition("?")[0]
        return (
            f"{name} redirects ({error.status}) to {place}: give that URL, if it is the consumer's."
        )
    if error.status in (401, 403):
        return (
            f"{name} refuses the handshake with HTTP {error.status}: does it want a --cookie, a "
            "--header or another --origin?"
        )
    return f"{name} answers with HTTP {error.status}, and opens no WebSocket."


async def _ask(caller: Caller) -> None:
    """Make the known request until its round trip is known."""
    manner, name = caller.target.manner, caller.target.name
    sent, hint = "--send", ""
    if manner.request == DEFAULT_REQUEST:
        sent, hint = DEFAULT_REQUEST, " Give a request that it answers: --send '...'."
    times: list[float] = []
    try:
        async with caller.open() as client:
            began = time.perf_counter()
            reply = await client.ask(manner.request)
            first = time.perf_counter() - began
            more = await client.followed(max(GREETING_SECONDS, min(1.0, 3 * first)))
            client.habits = replace(client.habits, more=more)
            until = time.monotonic() + REST_SECONDS
            with suppress(ClosedError, TimeoutError):  # it may limit how often it is asked
                while time.monotonic() < until and len(times) < ROUND_TRIPS:
                    began = time.perf_counter()
                    await client.ask(manner.request)
                    times.append(time.perf_counter() - began)
    except TimeoutError as error:
        wanted = "" if manner.reply is None else " that --reply matches"
        raise TargetError(
            f"{name} does not answer {sent}: nothing{wanted} came within {manner.seconds:g} s."
            f"{hint}"
        ) from error
    except ClosedError as error:
        raise TargetError(
            f"{name} does not answer {sent}: it ends the connection with {error.code}.{hint}"
        ) from error
    rest = tuple(sorted(times or [first]))
    window = min(SLOWEST_WINDOW, max(FASTEST_WINDOW, 5 * rest[len(rest) // 2]))
    caller.habits = replace(caller.habits, reply=reply, more=more, rest=rest, window=window)


async def _is_shared(caller: Caller) -> bool:
    """Whether one connection hears the reply to another, as in a chat room."""
    with suppress(ClosedError, RefusedError, OSError):
        async with caller.open() as listener, caller.open() as client:
            await client.heard(FASTEST_WINDOW)
            await listener.heard(FASTEST_WINDOW)  # a newcomer may be announced
            reply = await client.ask(caller.request())
            heard = await listener.heard(max(caller.habits.window, GREETING_SECONDS))
            return reply in heard
    return False


async def _is_unread(caller: Caller) -> bool:
    with suppress(ClosedError, RefusedError, OSError):
        async with caller.open() as client:
            await client.send(NOT_JSON)
            return NOT_JSON in await client.heard(caller.habits.window)
    return False


async def _mark(caller: Caller) -> Path | None:
    """Find a text in the request that the reply repeats."""
    for number, path in enumerate(texts_in(caller.request())[:MARKS]):
        mark = f"mark{number}"
        with suppress(ClosedError, RefusedError, InvalidHandshake, OSError):
            async with caller.open() as client:
                await client.send(marked(caller.request(), path, mark))
                async with asyncio.timeout(max(1.0, 2 * caller.habits.window)):
                    reply = await client.reply(containing=mark)
                if re.search(rf"\b{mark}\b", as_text(reply)):
                    return path
    return None
