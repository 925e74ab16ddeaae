"""A whole checkup: of one consumer, on one or more servers."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime

from websockets.frames import CloseCode

from sandbox import wire
from sandbox.checkup.acquaintance import meet
from sandbox.checkup.check import Check, Finding, found
from sandbox.checkup.checks import bad_input
from sandbox.checkup.client import ENDS, Caller, without_secrets
from sandbox.checkup.outcomes import After, Gone, Outcome, Skipped
from sandbox.checkup.plan import Plan
from sandbox.checkup.report import Patient, Report
from sandbox.checkup.target import Target

IS_GONE = "No connection could be opened for it."
NOT_MINE = "It floods or stalls what is not on loopback; --yes-it-is-mine allows it."
WENT_DOWN = "The server went down before it was seen."
SHOWN_EVENTS = 60


def run(
    sources: Iterable[AbstractContextManager[Target]],
    plan: Plan,
    *,
    progress: Callable[[], None] = lambda: None,
) -> Report:
    """Check up on each target. Raises TargetError, ServerError."""
    now, began = datetime.now(UTC), time.monotonic()
    patients = []
    for source in sources:
        with source as target:
            patients.append(asyncio.run(check_up(target, plan, progress=progress)))
    seconds = time.monotonic() - began
    return Report(now.isoformat(timespec="seconds"), seconds, plan, tuple(patients))


async def check_up(
    target: Target, plan: Plan, *, progress: Callable[[], None] = lambda: None
) -> Patient:
    """Make the checks of a plan. Raises TargetError."""
    caller = Caller(target)
    await meet(caller)
    findings: dict[str, Finding] = {}
    bad = tuple(check for check in plan.checks if check.payload)
    is_gone = False
    for check in plan.checks:
        if check.id not in findings:
            if is_gone:
                findings[check.id] = found(check, Skipped(IS_GONE), caller)
            elif check.payload:
                findings |= {one.check.id: one for one in await _put(caller, bad)}
            else:
                findings[check.id] = await _make(caller, check)
            is_gone = any(isinstance(one.outcome, Gone) for one in findings.values())
        progress()
    for check in plan.left_out:
        findings[check.id] = found(check, Skipped(NOT_MINE), caller)
    return Patient(target, caller.habits, replace(caller.spent), tuple(findings.values()))


async def _make(caller: Caller, check: Check) -> Finding:
    assert check.run is not None  # noqa: S101 # it is no bad input
    trace = wire.Trace()
    try:
        outcome: Outcome = await check.run(caller, trace)
    except ENDS as error:
        closed = error.code if isinstance(error, wire.ClosedError) else None
        is_alive = await caller.is_alive(caller.target.manner.seconds)
        outcome = After((), closed) if is_alive else Gone()
    return found(check, outcome, caller, events=_shown(trace))


async def _put(caller: Caller, checks: tuple[Check, ...]) -> list[Finding]:
    """Put all bad input; again and alone what may have ended by another one's doing."""
    findings = []
    tried = await bad_input.put(caller, checks)
    is_gone = any(one.is_gone for one in tried)
    for one in tried:
        final = one
        if one.closed == CloseCode.ABNORMAL_CLOSURE and is_gone and not one.is_gone:
            findings.append(found(one.check, Skipped(WENT_DOWN), caller))
            continue
        if one.closed == CloseCode.ABNORMAL_CLOSURE and not is_gone:
            try:
                final = await bad_input.put_again(caller, one)
            except ENDS:
                final = one
        witness = caller.target.witness
        raised = witness.of(final.client.address) if witness and final.client else None
        findings.append(found(one.check, final.outcome, caller, raised, _shown(final.trace)))
    made = {finding.check.id for finding in findings}
    findings += [found(check, Skipped(IS_GONE), caller) for check in checks if check.id not in made]
    return findings


def _shown(trace: wire.Trace) -> tuple[wire.Event, ...]:
    return tuple(map(without_secrets, trace.events[:SHOWN_EVENTS]))
