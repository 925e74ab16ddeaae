"""How a connection ends."""

import asyncio
from contextlib import suppress

from websockets.frames import CloseCode, Opcode

from sandbox import wire
from sandbox.checkup.check import Check, Cost, Grade
from sandbox.checkup.client import ENDS, Caller
from sandbox.checkup.outcomes import CloseAnswer, Left, Outcome

GROUP = "Closing"
CLOSE_SECONDS = 2.0
VANISHING = 10


async def _close(caller: Caller, trace: wire.Trace, *, behind_request: bool) -> CloseAnswer:
    async with caller.open(trace) as client:
        if behind_request:
            await client.send(caller.request())
        try:
            return CloseAnswer((await client.socket.close(timeout=CLOSE_SECONDS)).code)
        except TimeoutError:
            return CloseAnswer(CloseCode.ABNORMAL_CLOSURE)


async def close(caller: Caller, trace: wire.Trace) -> Outcome:
    return await _close(caller, trace, behind_request=False)


async def close_behind_request(caller: Caller, trace: wire.Trace) -> Outcome:
    return await _close(caller, trace, behind_request=True)


async def close_empty(caller: Caller, trace: wire.Trace) -> Outcome:
    async with caller.open(trace) as client:
        await client.socket.send_frame(Opcode.CLOSE, b"")
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while True:
                    await client.receive()
        except wire.ClosedError as error:
            return CloseAnswer(error.code)
        except TimeoutError:
            return CloseAnswer(CloseCode.ABNORMAL_CLOSURE)


async def vanish(caller: Caller, trace: wire.Trace) -> Outcome:
    """Let clients vanish with a request on its way, then see how another one fares."""
    addresses = []
    for number in range(VANISHING):
        with suppress(*ENDS):
            async with caller.open(None if number else trace) as client:
                addresses.append(client.address)
                await client.send(caller.request())
                client.socket.vanish()
    is_answered = await caller.is_alive(caller.target.manner.seconds)
    await asyncio.sleep(caller.habits.window)
    witness = caller.target.witness
    raised = [found for one in addresses if witness and (found := witness.of(one))]
    error = f"{raised[0].words} ({raised[0].place})" if raised else ""
    return Left(VANISHING, len(raised), is_answered, error)


def _closes(outcome: Outcome, _caller: Caller) -> Grade:
    is_none = outcome == CloseAnswer(CloseCode.ABNORMAL_CLOSURE)
    return "note" if is_none else "good"


def _vanishes(outcome: Outcome, _caller: Caller) -> Grade:
    if not isinstance(outcome, Left) or not outcome.is_answered:
        return "bad"
    return "note" if outcome.raised else "good"


UNANSWERED = (
    "A client that gets no answer to its close waits, and reports an abnormal end to its user."
)

CLOSING: tuple[Check, ...] = (
    Check(
        "close",
        GROUP,
        "A client closes with 1000.",
        UNANSWERED,
        "routing/ending.py",
        _closes,
        close,
    ),
    Check(
        "close-empty",
        GROUP,
        "A client closes without a code.",
        UNANSWERED,
        "routing/ending.py",
        _closes,
        close_empty,
    ),
    Check(
        "close-behind-request",
        GROUP,
        "A client closes before it has its reply.",
        UNANSWERED,
        "routing/ending.py",
        _closes,
        close_behind_request,
    ),
    Check(
        "vanish",
        GROUP,
        f"{VANISHING} clients vanish before they have their reply.",
        "Clients vanish all the time: each one that raises leaves a traceback, and its disconnect "
        "does not run.",
        "routing/ending.py",
        _vanishes,
        vanish,
        cost=Cost(connections=VANISHING + 50, messages=VANISHING + 50),
    ),
)
