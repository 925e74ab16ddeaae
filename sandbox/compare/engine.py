"""Putting the probes to the exhibits, and judging what is seen."""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from websockets.exceptions import InvalidHandshake

from consumers.catalogue import Exhibit
from sandbox.compare.autobahn import Suite
from sandbox.compare.differences import EMPTY, Difference, declared
from sandbox.compare.needs import missing
from sandbox.compare.observations import (
    BrokenHandshake,
    Closed,
    Expected,
    NoConnection,
    Observation,
    Observations,
    Refused,
    Silence,
    details,
    meets,
)
from sandbox.compare.probe import Probe
from sandbox.compare.probes import table
from sandbox.compare.session import Session
from sandbox.compare.steps import AwaitDisconnect
from sandbox.processes.environments import column
from sandbox.wire import ClosedError, Event, RefusedError

Question: TypeAlias = tuple[Exhibit, Probe]
Verdict: TypeAlias = Literal["same", "declared", "differs", "n/a"]

CELL_SECONDS = 20.0
CELLS_AT_ONCE = 64
NO_LOG = "It is seen in the server's own log only, which is not here."
NO_TLS = "The test suite does not speak TLS."
NO_HALF_CLOSE = "Over TLS this client cannot close one direction alone."


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is up."""

    server: str
    version: str
    url: str
    log: Callable[[], str] | None = None
    """What it has printed so far, where that can be read."""
    environment: str = ""
    """The requirements of its environment, unless it is the one in which this is run."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of what is in its environment, if known."""

    @property
    def name(self) -> str:
        return column(self.server, self.environment)

    @property
    def shown_url(self) -> str:
        """The URL without the user and the password that a broker's may have."""
        return re.sub("//.*@", "//", self.url)


@dataclass(frozen=True, slots=True)
class Cell:
    """What one probe saw of one exhibit on one server."""

    server: str
    exhibit: str
    probe: str
    verdict: Verdict
    expected: Expected
    seen: Observations = ()
    difference: Difference | None = None
    """The row that declares something else than the contract."""
    usual_details: tuple[str, ...] = ()
    """The details of the errors that most exhibits give, where this one gives others."""
    because: str = ""
    """Why the probe does not apply."""
    environment: str = ""
    """That of its target."""
    seconds: float = 0.0
    events: tuple[Event, ...] = field(default=(), repr=False)

    @property
    def details(self) -> tuple[str, ...]:
        return details(self.seen)

    @property
    def target(self) -> str:
        """The name of its target."""
        return column(self.server, self.environment)

    @property
    def connections(self) -> int:
        return max((event.connection for event in self.events), default=0)


def questions(exhibits: Iterable[Exhibit], probes: Sequence[str] = ()) -> list[Question]:
    """Pair each exhibit with the probes of its edition: the usual ones, or those named.

    A name may be a pattern. Raises MissingSuiteError.
    """
    return [
        (exhibit, probe)
        for exhibit in exhibits
        for probe in table(exhibit.edition.probes)
        if (any(fnmatchcase(probe.id, name) for name in probes) if probes else probe.by_default)
    ]


async def compare(
    target: Target,
    questions: Iterable[Question],
    *,
    cell_seconds: float = CELL_SECONDS,
    progress: Callable[[Cell], None] = lambda _: None,
) -> list[Cell]:
    """Put every question to the target; the cells come in the order of the questions."""
    limit = asyncio.Semaphore(CELLS_AT_ONCE)
    cells: dict[Question, Cell] = {}

    async def put(exhibit: Exhibit, probe: Probe) -> None:
        async with limit:
            cell = await _cell(target, exhibit, probe, suite, cell_seconds)
        cells[exhibit, probe] = cell
        progress(cell)

    questions = list(questions)
    async with Suite() as suite:
        for batch in _batches(questions):
            async with asyncio.TaskGroup() as tasks:
                for exhibit, probe in batch:
                    tasks.create_task(put(exhibit, probe))
    return [cells[question] for question in questions]


def _batches(questions: list[Question]) -> list[list[Question]]:
    """Let what watches the clock come last, and never together with what could block it."""
    untimed, timed, alone = [], [], []
    for exhibit, probe in questions:
        if not probe.watches_clock:
            untimed.append((exhibit, probe))
        elif exhibit.is_async or exhibit.edition.isolated:
            timed.append((exhibit, probe))
        else:  # its wait may make all others wait
            alone.append([(exhibit, probe)])
    return [untimed, timed, *alone]


async def _cell(
    target: Target, exhibit: Exhibit, probe: Probe, suite: Suite, seconds: float
) -> Cell:
    cell = Cell(
        target.server,
        exhibit.id,
        probe.id,
        "n/a",
        probe.expected,
        environment=target.environment,
    )
    if because := missing(exhibit, target.versions):
        return replace(cell, because=because)
    if not probe.applies_to(exhibit.protocol):
        return replace(cell, because=probe.because)
    if probe.reads_log and target.log is None:
        return replace(cell, because=NO_LOG)
    if probe.is_case and target.url.startswith("https"):
        return replace(cell, because=NO_TLS)
    if probe.half_closes and target.url.startswith("https"):
        return replace(cell, because=NO_HALF_CLOSE)
    session = Session(exhibit, target.url, target.log, suite)
    seen = await _take_steps(session, probe, probe.seconds or seconds)
    events = tuple(session.trace.events)
    return replace(
        judge(cell, exhibit, probe, seen, target.versions),
        seconds=events[-1].at if events else 0.0,
        events=events,
    )


async def _take_steps(session: Session, probe: Probe, seconds: float) -> Observations:
    """Take the steps; once one fails, only those that look at what is left behind."""
    seen: list[Observation | None] = []
    failed = False
    async with session:
        for step in probe.steps:
            if failed and not isinstance(step, AwaitDisconnect):
                continue
            try:
                async with asyncio.timeout(seconds):
                    seen.append(await step.run(session))
            except (ClosedError, RefusedError, InvalidHandshake, OSError) as error:
                failed = True
                seen.append(_failure(error, seconds))
    return tuple(one for one in seen if one is not None)


def _failure(error: Exception, seconds: float) -> Observation:
    match error:
        case ClosedError():
            return Closed(error.code)
        case RefusedError():
            return Refused(error.status)
        case TimeoutError():
            return Silence(seconds)
        case InvalidHandshake():
            return BrokenHandshake(str(error))
        case _:
            return NoConnection(str(error))


def judge(
    cell: Cell,
    exhibit: Exhibit,
    probe: Probe,
    seen: Observations,
    versions: Mapping[str, str] = EMPTY,
) -> Cell:
    """Give the verdict: against a declared difference where there is one, else the contract."""
    difference = declared(probe.id, exhibit.id, cell.server, versions)
    if difference is not None:
        verdict: Verdict = "declared" if seen == difference.seen[probe.id] else "differs"
    else:
        any_spelling = not exhibit.edition.keeps_contract and not probe.exact
        is_same = meets(seen, probe.expected, any_spelling=any_spelling)
        verdict = "same" if is_same else "differs"
    return replace(cell, verdict=verdict, seen=seen, difference=difference)


def flag_mismatches(cells: Sequence[Cell]) -> list[Cell]:
    """Of cells that saw the same errors, let those differ whose details are not the usual ones."""
    given: dict[tuple[str, Observations], Counter[tuple[str, ...]]] = defaultdict(Counter)
    for cell in cells:
        if cell.verdict == "same":
            given[cell.probe, cell.seen][cell.details] += 1
    flagged = []
    for cell in cells:
        details = given.get((cell.probe, cell.seen), Counter({cell.details: 1}))
        usual = details.most_common(1)[0][0]
        is_mismatch = cell.verdict == "same" and cell.details != usual
        flagged.append(
            replace(cell, verdict="differs", usual_details=usual) if is_mismatch else cell
        )
    return flagged
