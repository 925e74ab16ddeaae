"""Order, speed, neighbours, and what has no end."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from itertools import count

from websockets.frames import CloseCode

from sandbox import wire
from sandbox.checkup.check import KIB, MIB, Check, Cost, Grade
from sandbox.checkup.checks.bad_input import graded
from sandbox.checkup.client import ENDS, Caller, Client, as_text
from sandbox.checkup.outcomes import (
    After,
    Cap,
    Flood,
    Gone,
    Order,
    Outcome,
    Skipped,
    Times,
    UnderLoad,
    Unread,
    Wait,
)
from sandbox.compare.observations import BinaryMessage, Reply

PIPELINED, ORDER_SECONDS = 50, 60.0
BUSY, BUSY_REQUESTS, BUSY_SECONDS = 8, 250, 1.0
LOST_SECONDS = 3.0
EACH = 0.02
"""Seconds between the requests of a neighbour."""
FLOODED, FLOOD_SECONDS = 1000, 2.0
UNREAD, UNREAD_SIZE, UNREAD_SECONDS, STOPPED_SECONDS = 1500, 16 * KIB, 4.0, 0.6
CAPS = (MIB, 16 * MIB)
SLOW_SECONDS, NEIGHBOUR = 10.0, "neighbour"
NOT_BUSY = 0.1
QUICK = 0.1
"""Seconds: a wait that people notice."""
TRIES = 2

NO_MARK = "No text of --send comes back in the reply, so that one reply looks like another."


async def round_trip(caller: Caller, _trace: wire.Trace) -> Outcome:
    """Show what was measured when the consumer was met."""
    rest = caller.habits.rest
    return Times(len(rest), rest[len(rest) // 2], rest[min(len(rest) - 1, len(rest) * 99 // 100)])


async def order(caller: Caller, trace: wire.Trace) -> Outcome:
    """Send requests at once, and look at the order of their replies."""
    if caller.habits.mark is None:
        return Skipped(NO_MARK)
    marks = [f"n{number}n" for number in range(PIPELINED)]
    heard: list[str] = []
    closed = None
    async with caller.open(trace) as client:
        for mark in marks:
            await client.send(caller.marked(mark))
        with suppress(TimeoutError):
            try:
                async with asyncio.timeout(ORDER_SECONDS):
                    while len(heard) < PIPELINED:
                        text = as_text(await client.receive())  # the next may be as late as any
                        heard += [mark for mark in marks if mark in text and mark not in heard]
            except wire.ClosedError as error:
                closed = error.code
    return Order(PIPELINED, len(heard), heard == sorted(heard, key=marks.index), closed)


async def busy(caller: Caller, _trace: wire.Trace) -> Outcome:
    """Keep connections busy, and see how long a neighbour's round trip takes then."""
    if caller.habits.is_shared and caller.habits.mark is None:
        return Skipped(NO_MARK)
    times: list[float] = []
    others, lost = 0, False

    async def load() -> None:
        nonlocal others
        with suppress(*ENDS):
            async with caller.open() as client:
                others += 1
                for _ in range(BUSY_REQUESTS):
                    if time.monotonic() > until:
                        break
                    await client.ask(caller.request())

    async def ask(client: Client) -> None:
        nonlocal lost
        try:
            for number in count():
                if time.monotonic() > until or all(task.done() for task in loads):
                    break
                began = time.perf_counter()
                await caller.ask_marked(client, f"n{number}n", LOST_SECONDS)
                times.append(time.perf_counter() - began)
                await asyncio.sleep(EACH)
        except ENDS:
            lost = True

    async with caller.open() as quiet:  # before the others: a server may take only so many
        until = time.monotonic() + BUSY_SECONDS
        loads = [asyncio.create_task(load()) for _ in range(BUSY)]
        await asyncio.gather(*loads, ask(quiet))
    if not others:
        return Skipped("No connection that should be busy was accepted.")
    times.sort()
    rest = caller.habits.rest[len(caller.habits.rest) // 2]
    times = times or [LOST_SECONDS]
    lost_after = LOST_SECONDS if lost else None
    return UnderLoad(others, rest, times[len(times) // 2], times[-1], lost_after)


async def slow(caller: Caller, trace: wire.Trace) -> Outcome:
    """Ask one connection for what keeps it busy, then another one for what is quick."""
    if caller.target.manner.slow is None:
        return Skipped("No --slow is given: a request that keeps the consumer busy.")
    if caller.habits.is_shared and caller.habits.mark is None:
        return Skipped(NO_MARK)
    for _ in range(TRIES):
        outcome = await _slow(caller, trace, caller.target.manner.slow)
        if not (isinstance(outcome, Wait) and outcome.waits):
            break
    return outcome


async def _slow(caller: Caller, trace: wire.Trace, request: str) -> Outcome:
    async with caller.open(trace) as one, caller.open(trace) as other:
        answer = asyncio.create_task(_timed(_ask_slow(caller, one, request)))
        await asyncio.sleep(NOT_BUSY)
        if answer.done():
            await answer
            return Skipped(f"--slow keeps it busy for less than {NOT_BUSY:g} s.")
        neighbour = asyncio.create_task(_timed(caller.ask_marked(other, NEIGHBOUR, SLOW_SECONDS)))
        await asyncio.wait({answer, neighbour}, return_when=asyncio.FIRST_COMPLETED)
        waits = answer.done()
        return Wait(await neighbour, await answer, waits)


async def _ask_slow(caller: Caller, client: Client, request: str) -> None:
    """Wait for the answer; in a room, not for that to the neighbour, which is heard too."""
    reply = await client.ask(request, SLOW_SECONDS)
    while caller.habits.mark is not None and NEIGHBOUR in as_text(reply):
        reply = await client.reply(SLOW_SECONDS)


async def _timed(answer: Awaitable[object]) -> float | None:
    """Give the seconds that an answer took; None if none came."""
    began = time.perf_counter()
    try:
        await answer
    except ENDS:
        return None
    return time.perf_counter() - began


async def cap(caller: Caller, trace: wire.Trace) -> Outcome:
    """Find out how large a message may be."""
    taken = 0
    for size in CAPS:
        async with caller.open(trace) as client:
            closed, answers, is_useful = None, [], False
            sending = asyncio.create_task(client.send(caller.with_value('"' + "x" * size + '"')))
            try:
                with suppress(TimeoutError):
                    answers = [await client.receive(2.0)]
                await caller.ask_marked(client, "useful")
                is_useful = True
            except wire.ClosedError as error:
                closed = error.code
            except TimeoutError:
                pass
            finally:
                sending.cancel()
        values = tuple(
            Reply(one) if isinstance(one, str) else BinaryMessage(one) for one in answers
        )
        if closed == CloseCode.ABNORMAL_CLOSURE and not await caller.is_alive(
            caller.target.manner.seconds
        ):
            return Gone()
        after = After(values, closed, is_useful)
        if not after.is_useful:
            break
        taken = size
    return Cap(taken, size, after)


async def never_reads(caller: Caller, _trace: wire.Trace) -> Outcome:
    """Send, read nothing, and see how much is taken, and how another client fares."""
    if caller.habits.mark is None:
        return Skipped(NO_MARK)
    sent, stopped = 0, False
    async with caller.open() as client:
        until = time.monotonic() + UNREAD_SECONDS
        payload = caller.marked("unread", UNREAD_SIZE)
        for _ in range(UNREAD):
            sending = asyncio.create_task(client.send(payload))
            done, _pending = await asyncio.wait({sending}, timeout=STOPPED_SECONDS)
            if not done:
                stopped = True
                break
            sent += len(payload)
            if time.monotonic() > until:
                break
        is_answered = await caller.is_alive(max(2.0, caller.target.manner.seconds))
        sending.cancel()
        client.socket.vanish()
    return Unread(sent, stopped, is_answered)


async def flood(caller: Caller, _trace: wire.Trace) -> Outcome:
    """Send requests as fast as they are taken, read what comes, and ask once more."""
    rest = caller.habits.rest[len(caller.habits.rest) // 2]
    sent = max(10, min(FLOODED, int(FLOOD_SECONDS / rest)))
    answered, closed, is_useful = 0, None, False
    async with caller.open() as client:
        wanted = sent * (1 + caller.habits.more)

        async def send() -> None:
            for _ in range(sent):
                await client.send(caller.request())

        sending = asyncio.create_task(send())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLOOD_SECONDS + caller.target.manner.seconds):
                    while answered < wanted:
                        # The next reply is late only if it does not come.
                        answered += client.is_reply(await client.receive(2.0))
            client.habits = replace(client.habits, more=0)
            for number in range(TRIES):  # a layer that is still full drops one, and is not stuck
                with suppress(TimeoutError):
                    await caller.ask_marked(client, f"useful{number}n")
                    is_useful = True
                    break
        except wire.ClosedError as error:
            closed = error.code
        finally:
            sending.cancel()
    return Flood(sent, answered // (1 + caller.habits.more), closed, is_useful)


def _is_limit(code: int) -> bool:
    """Whether a close code may say that there were too many requests."""
    return code in (1008, 1013) or code >= 3000  # noqa: PLR2004 # codes


def _is_quick(outcome: Outcome, _caller: Caller) -> Grade:
    return "good" if isinstance(outcome, Times) and outcome.p50 < QUICK else "note"


def _in_order(outcome: Outcome, _caller: Caller) -> Grade:
    match outcome:
        case Order(closed=int(code)) if _is_limit(code):
            return "note"
        case Order(sent=sent, answered=answered) if sent != answered:
            return "bad"
        case Order(in_order=True):
            return "good"
    return "note"


def _under_load(outcome: Outcome, _caller: Caller) -> Grade:
    if not isinstance(outcome, UnderLoad) or outcome.lost_after is not None:
        return "bad"
    return "good" if outcome.busy < max(QUICK, 3 * outcome.rest) else "note"


def _waits(outcome: Outcome, _caller: Caller) -> Grade:
    match outcome:
        case Wait(waits=False, neighbour=float()):
            return "good"
    return "bad"


def _capped(outcome: Outcome, caller: Caller) -> Grade:
    if not isinstance(outcome, Cap):
        return "bad"
    if outcome.taken == CAPS[-1]:
        return "note"
    # The server's close is right, whatever its code, but a consumer that fails is not the cap.
    return "good" if outcome.after.closed is not None else graded(outcome.after, caller)


def _reads(outcome: Outcome, _caller: Caller) -> Grade:
    match outcome:
        case Unread(is_answered=False):
            return "bad"
        case Unread(is_stopped=True):
            return "good"
    return "note"


def _flooded(outcome: Outcome, _caller: Caller) -> Grade:
    match outcome:
        case Flood(closed=int(code)):
            return "note" if _is_limit(code) else "bad"
        case Flood(is_useful=False):
            return "bad"
        case Flood(sent=sent, answered=answered) if sent > answered:
            return "note"
    return "good"


SPEED: tuple[Check, ...] = (
    Check(
        "round-trip",
        "Speed",
        "The known request, one after another, on one connection.",
        "Over 100 ms people notice that they wait.",
        "docs/choosing.md",
        _is_quick,
        round_trip,
        cost=Cost(connections=0, messages=0),
    ),
)

LOAD: tuple[Check, ...] = (
    Check(
        "order",
        "Order",
        f"{PIPELINED} requests at once on one connection.",
        "A client that does not number its requests takes one reply for another.",
        "consumers/echo/async_websocket.py",
        _in_order,
        order,
        cost=Cost(messages=PIPELINED),
    ),
    Check(
        "neighbours-under-load",
        "Neighbours",
        f"A request every {EACH * 1000:g} ms while {BUSY} others ask as fast as they can.",
        "Sync consumers of a process share one thread, and a full channel layer drops messages: a "
        "quiet client pays for the busy ones.",
        "routing/isolation.py",
        _under_load,
        busy,
        cost=Cost(
            connections=BUSY + 1, messages=BUSY * BUSY_REQUESTS + int(BUSY_SECONDS / EACH) + 1
        ),
        loads=True,
    ),
    Check(
        "neighbours-under-slow",
        "Neighbours",
        "A quick request while another connection is kept busy by --slow.",
        "A sync consumer that blocks delays every consumer of its process, the async ones too.",
        "routing/isolation.py",
        _waits,
        slow,
        cost=Cost(connections=2 * TRIES, messages=2 * TRIES),
        loads=True,
    ),
    Check(
        "over-cap",
        "Limits",
        f"A message of a little more than {CAPS[0] // MIB} MiB, then of {CAPS[1] // MIB} MiB.",
        "Without a cap each client can make the server hold as much as it likes; Uvicorn's is "
        "--ws-max-size.",
        "docs/deploying.md#servers",
        _capped,
        cap,
        cost=Cost(connections=2, messages=2, size=sum(CAPS) + KIB),
        loads=True,
    ),
    Check(
        "never-reads",
        "Limits",
        f"Up to {UNREAD * UNREAD_SIZE // MIB} MiB of requests from a client that reads no reply.",
        "What a client does not read waits in the server's memory, unless the server lets the "
        "client wait.",
        "routing/backpressure.py",
        _reads,
        never_reads,
        cost=Cost(51, UNREAD + 50, UNREAD * (UNREAD_SIZE + KIB)),
        loads=True,
    ),
    Check(
        "flood",
        "Limits",
        f"Up to {FLOODED} requests as fast as they are taken, on one connection.",
        "A client that sends too fast should wait or get a sentence, and lose nothing without one.",
        "routing/backpressure.py",
        _flooded,
        flood,
        cost=Cost(messages=FLOODED + TRIES),
        loads=True,
    ),
)
