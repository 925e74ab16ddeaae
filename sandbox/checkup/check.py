"""What a check is, and the finding it leads to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sandbox import wire
from sandbox.checkup.client import Caller, Payload
from sandbox.checkup.outcomes import After, Gone, Outcome, Skipped
from sandbox.checkup.witness_log import Raised

Grade: TypeAlias = Literal["good", "note", "bad", "skipped"]
GRADES: tuple[Grade, ...] = ("good", "note", "bad", "skipped")
KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """The most that a check sends."""

    connections: int = 1
    messages: int = 1
    size: int = 0
    """Bytes beyond some KiB."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question to somebody else's consumer."""

    id: str
    group: str
    sentence: str
    """What is done."""
    why: str
    """Why it matters, in one sentence."""
    cure: str
    """Where to look: a file of this project, or a section of its docs."""
    grade: Callable[[Outcome, Caller], Grade]
    run: Callable[[Caller, wire.Trace], Awaitable[Outcome]] | None = None
    """None for bad input, which is put all in one row: see bad_input.py."""
    payload: Callable[[Caller], Payload] | None = None
    is_bad_text: bool = False
    """The payload is sent as text though it need not be UTF-8."""
    cost: Cost = Cost()
    loads: bool = False
    """It floods or stalls: not for what belongs to others."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw."""

    check: Check
    outcome: Outcome
    grade: Grade
    raised: Raised | None = None
    """The exception behind it, where the application was started here."""
    events: tuple[wire.Event, ...] = field(default=(), repr=False)

    @property
    def is_advice(self) -> bool:
        """Whether there is something to cure."""
        return self.grade in ("note", "bad")


def found(
    check: Check,
    outcome: Outcome,
    caller: Caller,
    raised: Raised | None = None,
    events: tuple[wire.Event, ...] = (),
) -> Finding:
    """Give the grade."""
    if isinstance(outcome, Skipped):
        grade: Grade = "skipped"
    elif isinstance(outcome, Gone) or (isinstance(outcome, After) and check.payload is None):
        grade = "bad"  # the check could not be made to its end
    else:
        grade = check.grade(outcome, caller)
    return Finding(check, outcome, grade, raised, events)
