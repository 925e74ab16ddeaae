"""Words for what was found: the only place where outcomes become text for people."""

from typing import assert_never

from websockets.frames import CloseCode

from sandbox.checkup.check import MIB, Finding
from sandbox.checkup.checks.bad_input import DELIBERATE
from sandbox.checkup.client import Habits
from sandbox.checkup.outcomes import (
    After,
    Answer,
    Cap,
    CloseAnswer,
    Flood,
    Gone,
    Left,
    Order,
    Outcome,
    Skipped,
    Times,
    Tried,
    UnderLoad,
    Unread,
    Wait,
)
from sandbox.checkup.report import Patient
from sandbox.compare.observations import BinaryMessage, Closed, Opened, Reply
from sandbox.compare.output.words import in_words, shorten

FEW = 2
"""So many answers are shown."""


def outcome_in_words(outcome: Outcome) -> str:  # noqa: C901, PLR0911, PLR0912 # a case each
    """Put what was seen into one line of printable characters."""
    match outcome:
        case After():
            return _after(outcome)
        case Gone():
            return "takes the server down: it takes no connection any more"
        case Tried(handshake=Opened() as opened, is_answered=is_answered):
            return f"{in_words([opened])}, {'answered' if is_answered else 'not answered'}"
        case Tried(handshake=Closed(code=code)):
            return f"opened, and closed with {code}"
        case Tried(handshake=handshake):
            return in_words([handshake])
        case CloseAnswer(code=CloseCode.ABNORMAL_CLOSURE):
            return "not answered"
        case CloseAnswer(code=CloseCode.NO_STATUS_RCVD):
            return "answered without a code"
        case CloseAnswer(code=code):
            return f"answered with {code}"
        case Order(sent=sent, answered=answered, in_order=in_order, closed=closed):
            end = f", then {_ends(closed)}" if closed else ""
            return f"{answered} of {sent} answered, {'in' if in_order else 'not in'} order{end}"
        case Times(count=count, p50=p50, p99=p99):
            return f"p50 {_ms(p50)}, p99 {_ms(p99)} ({count} round trips at rest)"
        case UnderLoad(lost_after=float(seconds)):
            return f"a request of the quiet connection got no answer within {seconds:g} s"
        case UnderLoad(rest=rest, busy=busy, longest=longest):
            return f"p50 {_ms(busy)} instead of {_ms(rest)}, longest {_ms(longest)}"
        case Wait():
            return _wait(outcome)
        case Left(clients=clients, raised=raised, is_answered=is_answered, error=error):
            traces = f"{raised} of {clients} raised {error}, " if raised else ""
            return f"{traces}other clients are {'' if is_answered else 'not '}answered"
        case Unread():
            return _unread(outcome)
        case Cap(taken=0, tried=tried, after=After(closed=int(code))):
            return f"{_mib(tried)} end the connection with {code}"
        case Cap(taken=taken, tried=tried) if taken == tried:
            return f"{_mib(taken)} taken"
        case Cap(taken=taken, tried=tried, after=After(closed=int(code))):
            return f"{_mib(taken)} taken; {_mib(tried)} end the connection with {code}"
        case Cap(tried=tried):
            return f"after {_mib(tried)} nothing is answered"
        case Flood(sent=sent, answered=answered, closed=closed, is_useful=is_useful):
            end = _ends(closed) if closed else "useful" if is_useful else "stuck"
            return f"{answered} of {sent} answered, {end} afterwards"
        case Skipped():
            return "not looked at"
        case _:
            assert_never(outcome)


def found_in_words(finding: Finding) -> str:
    """Put into words what a check saw, and as well that a connection was rightly ended."""
    match finding:
        case Finding(grade="good", outcome=After(answers=(), closed=int(code))):
            return f"ends the connection with {code}, as it should"
    return outcome_in_words(finding.outcome)


def _after(after: After) -> str:
    if after.closed is not None:
        dies = _ends(after.closed)
        return f"answers {_answers(after.answers)}, {dies}" if after.answers else dies
    end = (
        "answers the known request afterwards" if after.is_useful else "answers nothing afterwards"
    )
    if after.answers:
        return f"survives, answers {_answers(after.answers)}, {end}"
    return f"survives, silent, {end}" if after.is_useful else f"silent, {end}"


def _ends(code: int) -> str:
    return f"ends the connection with {code}" if code in DELIBERATE else f"dies with code {code}"


def _answers(answers: tuple[Answer, ...]) -> str:
    if answers[0] in (Reply(""), BinaryMessage(b"")):
        return "with an empty message"
    return in_words(answers[:FEW]) + (f" and {len(answers) - FEW} more" if answers[FEW:] else "")


def _wait(wait: Wait) -> str:
    busy = "never" if wait.busy is None else f"after {_ms(wait.busy)}"
    if wait.neighbour is None:
        return f"the neighbour gets no answer; the busy connection {busy}"
    waits = "the neighbour waits for it" if wait.waits else "the neighbour does not wait"
    return f"{waits}: {_ms(wait.neighbour)}; the busy connection is answered {busy}"


def _unread(unread: Unread) -> str:
    how = "then the client has to wait" if unread.is_stopped else "and the client never had to wait"
    others = "others are answered" if unread.is_answered else "others are not answered"
    return f"{_mib(unread.size)} taken, {how}; {others}"


def _mib(size: int) -> str:
    return f"{size / MIB:.3g} MiB"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def why(finding: Finding) -> str:
    """Say why it matters, or why it was not looked at."""
    if isinstance(finding.outcome, Skipped):
        return finding.outcome.because
    return finding.check.why if finding.is_advice else ""


def reason(finding: Finding) -> str:
    """Say what was raised in the application, and where."""
    return f"{finding.raised.words} ({finding.raised.place})" if finding.raised else ""


def heading(patient: Patient) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in patient.target.versions)
    on = f" on {patient.target.server}" if patient.target.server else ""
    return f"{patient.target.name}{on}" + (f" ({versions})" if versions else "")


def habits(known: Habits) -> str:
    """Say how it answers what it knows."""
    reply = known.reply if isinstance(known.reply, str) else known.reply.decode("utf-8", "replace")
    said = [f"It answers --send with {shorten(reply)}"]
    if known.more:
        said.append(f"and {known.more} more")
    if known.greetings:
        said.append(f"after {known.greetings} unasked at the beginning")
    if known.is_shared:
        said.append("which all connections hear")
    if known.origin is not None:
        said.append("to clients that send an Origin")
    return ", ".join(said) + "."
