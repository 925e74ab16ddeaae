"""Conditions such as ``tuned/websocket share < 0.9``, at which ``bench`` fails in somebody's CI.

A condition holds only if every single round says so: what lies within the noise fails nothing.
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite

from sandbox.bench.exhibits import BY_ID
from sandbox.bench.experiment import Figure, Row
from sandbox.bench.experiments import experiments
from sandbox.bench.report import Report
from sandbox.bench.run import Bench

EXAMPLE = "tuned/websocket share < 0.9"
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
WRITTEN = re.compile(
    r"\s*(?P<exhibit>\S+)\s+(?P<figure>[^\s<>=]+)\s*(?P<operator>[<>]=?)\s*(?P<number>[^\s<>=]+)"
    r"(?:\s+on\s+(?P<server>\S+))?\s*"
)


class ConditionError(ValueError):
    """A condition that cannot be decided; the message says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    text: str
    exhibit: str
    experiment: str
    figure: Figure
    operator: str
    number: float
    server: str | None
    """None for every server of the run."""

    def check_measured(self, bench: Bench) -> None:
        """Raise ConditionError if a run does not measure what this is about."""
        if self.experiment not in bench.experiments:
            raise ConditionError(
                f"{self.text!r}: that is a figure of the experiment {self.experiment}, which is "
                "not run."
            )
        for name, measured in (
            (self.exhibit, [one.id for one in bench.exhibits]),
            (self.server, [*bench.servers, None]),
        ):
            if name not in measured:
                found = ", ".join(filter(None, measured))
                raise ConditionError(f"{self.text!r}: this run measures {found}, and not {name}.")

    def decide(self, report: Report) -> None:
        """Add a failure to a report for each row in which this holds; a warning if undecided.

        What was not measured is a failure too, as are replies that did not come or were wrong:
        otherwise a consumer that is broken would pass.
        """
        for server in report.servers:
            if self.server in {None, server.name}:
                rows = [
                    row
                    for row in report.results.get(self.experiment, ())
                    if (row.server, row.exhibit) == (server.name, self.exhibit)
                    and self.figure.of(row)
                ]
                if not rows:
                    report.failures.append(
                        f"{self.text}: cannot be decided, because {self.experiment} did not "
                        f"measure {self.exhibit} on {server.name}."
                    )
                for row in rows:
                    self._decide(row, report)

    def _decide(self, row: Row, report: Report) -> None:
        if not (spread := self.figure.of(row)):
            return
        where = dict(experiments())[self.experiment].where(row)
        seen = (
            f"it was {_number(spread.median)}, {_number(spread.low)} to {_number(spread.high)} in "
            f"single rounds ({self.experiment}: {where})."
        )
        if self._holds_for(spread.low) and self._holds_for(spread.high):
            report.failures.append(f"{self.text}: {seen}")
        elif row.errors:
            report.failures.append(
                f"{self.text}: cannot be decided, because {row.errors} replies were wrong or "
                f"missing and are in no figure; {seen}"
            )
        elif self._holds_for(spread.median):
            report.warnings.append(
                f"{self.text}: not decided, because the noise is wider than the distance; {seen} "
                "Longer turns (--seconds) narrow that."
            )

    def _holds_for(self, value: float) -> bool:
        return OPERATORS[self.operator](value, self.number)


def figures() -> Iterator[tuple[str, str, Figure]]:
    """List what can be asked: the experiment, the name of its figure, and the figure."""
    for experiment, one in experiments():
        for name, figure in one.figures.items():
            yield experiment, name, figure


def parse(text: str) -> Condition:
    """Read a condition. Raises ConditionError."""
    match = WRITTEN.fullmatch(text)
    if not match:
        raise ConditionError(
            f"{text!r} is not a condition: write EXHIBIT FIGURE <|<=|>|>= NUMBER [on SERVER], "
            f"such as {EXAMPLE!r}."
        )
    exhibit, name, comparison, number, server = match.groups()
    if exhibit not in BY_ID:
        raise ConditionError(
            f"{text!r}: there is no exhibit {exhibit!r}; choose from {', '.join(BY_ID)}."
        )
    known = {figure: (experiment, it) for experiment, figure, it in figures()}
    if name not in known:
        names = ", ".join(f"{figure} ({experiment})" for experiment, figure, _ in figures())
        raise ConditionError(f"{text!r}: there is no figure {name!r}; choose from {names}.")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise ConditionError(f"{text!r}: {number!r} is not a number.")
    return Condition(text.strip(), exhibit, *known[name], comparison, value, server)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"  # noqa: PLR2004 # thousands
