"""Putting the probes to the exhibits, and judging what is seen."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from websockets.exceptions import InvalidHandshake
from websockets.frames import CloseCode

from consumers.catalogue import Exhibit
from sandbox.compare.differences import declared
from sandbox.compare.probes import TABLES, Probe
from sandbox.compare.steps import Disconnected, Session
from sandbox.wire import ClosedError, Event, RefusedError

Verdict = Literal["same", "declared", "differs", "n/a"]

CELL_SECONDS = 20.0
CELLS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is up."""

    server: str
    version: str
    url: str
    log: Callable[[], str] | None = None
    """What it has printed so far, where that can be read."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one probe saw of one exhibit on one server."""

    server: str
    exhibit: str
    probe: str
    verdict: Verdict
    expected: str
    seen: str = ""
    reason: str = ""
    seconds: float = 0.0
    details: tuple[str, ...] = ()
    events: tuple[Event, ...] = field(default=(), repr=False)

    @property
    def connections(self) -> int:
        return max((event.connection for event in self.events), default=0)

    @property
    def close_code(self) -> int | None:
        """How the server ended the first connection that it ended: 1006 is without a close."""
        for event in self.events:
            if not event.sent and event.kind == "close":
                return int(event.excerpt.split()[0])
            if event.kind == "end":
                return int(CloseCode.ABNORMAL_CLOSURE)
        return None


async def compare(
    target: Target,
    questions: Iterable[tuple[Exhibit, Probe]],
    *,
    cell_seconds: float = CELL_SECONDS,
    progress: Callable[[Cell], None] = lambda _: None,
) -> list[Cell]:
    """Put every question to the target; the cells come in the order of the questions."""
    turn = asyncio.Semaphore(CELLS_AT_ONCE)
    cells: dict[tuple[Exhibit, Probe], Cell] = {}

    async def put(exhibit: Exhibit, probe: Probe) -> None:
        async with turn:
            cell = await _cell(target, exhibit, probe, cell_seconds)
        cells[exhibit, probe] = cell
        progress(cell)

    questions = list(questions)
    for group in _in_turn(questions):
        async with asyncio.TaskGroup() as together:
            for exhibit, probe in group:
                together.create_task(put(exhibit, probe))
    return [cells[question] for question in questions]


def _in_turn(questions: list[tuple[Exhibit, Probe]]) -> list[list[tuple[Exhibit, Probe]]]:
    """Let what watches the clock come last, and run beside nothing that could stall it."""
    together, timed, alone = [], [], []
    for exhibit, probe in questions:
        if not probe.watches_clock:
            together.append((exhibit, probe))
        elif not (exhibit.is_async or exhibit.edition.isolated):  # its wait may be a wait for all
            alone.append([(exhibit, probe)])
        else:
            timed.append((exhibit, probe))
    return [together, timed, *alone]


def questions(
    exhibits: Sequence[Exhibit], probes: Sequence[str] = ()
) -> list[tuple[Exhibit, Probe]]:
    """Pair each exhibit with the probes of its edition, all or those named."""
    return [
        (exhibit, probe)
        for exhibit in exhibits
        for probe in TABLES[exhibit.edition.probes]
        if not probes or probe.id in probes
    ]


async def _cell(target: Target, exhibit: Exhibit, probe: Probe, seconds: float) -> Cell:
    blank = Cell(target.server, exhibit.id, probe.id, "n/a", probe.expected)
    if probe.only and probe.only != exhibit.protocol:
        return replace(blank, reason=probe.because)
    if probe.reads_log and target.log is None:
        return replace(blank, reason="Only the server's own log can tell, and it is not here.")
    loose = not exhibit.edition.keeps_contract and not probe.exact
    session = Session(exhibit, target.url, target.log, loose)
    seen = await _seen(session, probe, seconds)
    verdict, reason = judge(probe, exhibit, target.server, seen)
    return replace(
        blank,
        verdict=verdict,
        seen=seen,
        reason=reason,
        seconds=session.trace.events[-1].at if session.trace.events else 0.0,
        details=tuple(session.details),
        events=tuple(session.trace.events),
    )


async def _seen(session: Session, probe: Probe, seconds: float) -> str:
    """Take the steps; once one fails, only those that look at what is left behind."""
    words: list[str] = []
    failed = False
    async with session:
        for step in probe.steps:
            if failed and not isinstance(step, Disconnected):
                continue
            try:
                async with asyncio.timeout(seconds):
                    words.append(await step.run(session))
            except (ClosedError, RefusedError, InvalidHandshake, OSError) as error:
                failed = True
                words.append(_failure(error, seconds))
    return "; ".join(filter(None, words))


def _failure(error: Exception, seconds: float) -> str:
    match error:
        case ClosedError():
            return f"closed {error.code}"
        case RefusedError():
            return f"refused {error.status}"
        case TimeoutError():
            return f"nothing within {seconds:g} s"
        case InvalidHandshake():
            return f"broken handshake: {error}"
        case _:
            return f"no connection: {error}"


def judge(probe: Probe, exhibit: Exhibit, server: str, seen: str) -> tuple[Verdict, str]:
    """Give the verdict on what was seen, and the reason where it is not the contract's words."""
    rows = declared(probe.id, exhibit.id, server)
    if not rows:
        return ("same", "") if seen == probe.expected else ("differs", "")
    words, reason = rows[0].seen[probe.id], rows[0].reason
    if seen == words:
        return "declared", reason
    return "differs", f"“{words}” is declared: {reason}"


def agree(cells: Sequence[Cell]) -> list[Cell]:
    """Of a probe's cells that are the same, find those whose error is told in other words."""
    usual: dict[str, tuple[str, ...]] = {}
    for probe in {cell.probe for cell in cells}:
        told = Counter(
            cell.details for cell in cells if cell.probe == probe and cell.verdict == "same"
        )
        if told:
            usual[probe] = told.most_common(1)[0][0]
    return [
        replace(
            cell,
            verdict="differs",
            seen=f"{cell.seen}: {' / '.join(cell.details)}",
            reason=f"The others say: {' / '.join(usual[cell.probe])}",
        )
        if cell.verdict == "same" and cell.details != usual[cell.probe]
        else cell
        for cell in cells
    ]
