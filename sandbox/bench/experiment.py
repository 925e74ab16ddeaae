"""What an experiment is: steps to take, rows of what is complete, and how rows are shown.

A new experiment is a module in ``experiments/`` with a subclass of ``Experiment``, and a line in
``experiments/__init__.py``. Terminal, HTML and JSON are made from what the subclass defines.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar, Generic, TypeVar

from msgspec import Struct

from sandbox.bench import spread
from sandbox.bench.comparisons import comparisons
from sandbox.bench.exhibits import MEASURABLE, Exhibit, without_doubles
from sandbox.bench.load import Sample
from sandbox.bench.output.charts import Chart
from sandbox.bench.output.table import Column, Table, TableRow
from sandbox.bench.plan import Plan
from sandbox.bench.spread import Latency, Spread
from sandbox.bench.testbed import Testbed


class Row(Struct, frozen=True, kw_only=True):
    """What was measured of one exhibit on one server, under the same conditions."""

    server: str
    exhibit: str
    errors: int = 0
    """Wrong or missing replies and lost connections."""


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Figure:
    """What each round measured, in words, and where a row has it, if it does."""

    words: str
    of: Callable[[Any], Spread | None]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do for an exhibit, what progress calls it, and how long it should take."""

    title: str
    exhibit: str
    seconds: float
    run: Callable[[], Awaitable[None]]


class Experiment(ABC, Generic[R]):
    """One question to all exhibits on one server."""

    row: ClassVar[type[Row]]
    """What is measured; its fields are those of the JSON report."""
    turns: dict[Any, list[Any]]
    """What each turn measured, by what was varied."""
    by_default: ClassVar[bool] = True
    """Whether it runs if no experiment is named."""
    takes: ClassVar[str] = ""
    """What it measures, in words, if that is not any exhibit."""
    takes_rooms: ClassVar[bool] = False
    """Whether it measures exhibits that have rooms, and not those that answer their client."""
    takes_devices: ClassVar[bool] = False
    """Whether it can measure what a broker stands in front of."""
    needs_redis: ClassVar[bool] = False
    """Whether it starts a Redis of its own, without which it measures nothing."""
    columns: ClassVar[Sequence[Column]] = ()
    """Of the table in the terminal, after the name of the exhibit."""
    figures: ClassVar[Mapping[str, Figure]] = {}
    """What ``--fail-if`` can ask of a row, by a name that no other experiment has."""
    compared: ClassVar[str] = ""
    """By which of them editions are compared that differ in one thing, if by any."""

    def __init__(self, testbed: Testbed, plan: Plan) -> None:
        self.testbed, self.plan = testbed, plan
        self.turns = defaultdict(list)

    @classmethod
    def usual(cls, plan: Plan) -> list[Exhibit]:
        """List what it measures if no exhibit is named."""
        measured = [one for one in MEASURABLE if not one.is_reference and not one.has_rooms]
        return measured if plan.doubles else without_doubles(measured, with_codec=False)

    @property
    def exhibits(self) -> list[Exhibit]:
        """Those of the testbed that it can measure."""
        return [
            one
            for one in self.testbed.exhibits
            if one.has_rooms == self.takes_rooms and (self.takes_devices or not one.is_device)
        ]

    @abstractmethod
    def steps(self) -> Iterator[Step]:
        """List what to do. A step whose exhibit has failed before is left out by the run."""

    @abstractmethod
    def rows(self) -> list[R]:
        """Give the rows of what has been measured so far."""

    def notes(self) -> Iterator[str]:
        """Say what a reader should know of these rows."""
        return iter(())

    def warnings(self) -> Iterator[str]:
        """Say what may be wrong with them, or what is missing."""
        return iter(())

    @classmethod
    def failures(cls, rows: Sequence[R]) -> Iterator[str]:  # noqa: ARG003 # for those that override it
        """Say what is not as it has to be: the command then exits with 1."""
        return iter(())

    @staticmethod
    @abstractmethod
    def title(row: R) -> str:
        """Name the table that a row belongs to."""

    @classmethod
    def where(cls, row: R) -> str:
        """Say under which conditions a row was measured, all but the exhibit."""
        return cls.title(row)

    @classmethod
    def tables(cls, rows: Sequence[R]) -> Iterator[Table]:
        for title, group in groupby(rows, cls.title):
            yield Table(
                title,
                [column.heading for column in cls.columns],
                [
                    TableRow(row.exhibit, row.errors, [column.cell(row) for column in cls.columns])
                    for row in group
                ],
            )

    @classmethod
    def comparisons(cls, rows: Sequence[R]) -> Iterator[Table]:
        """Compare editions that differ in one thing."""
        found: dict[str, dict[str, Spread]] = {}
        for row in rows if cls.compared else ():
            if figure := cls.figures[cls.compared].of(row):
                found.setdefault(cls.where(row), {})[row.exhibit] = figure
        for where, figures in found.items():
            words = cls.figures[cls.compared].words
            yield from comparisons(f"compared by {words}: {where}", figures)

    @classmethod
    @abstractmethod
    def charts(cls, rows: Sequence[R]) -> Iterator[Chart]:
        """Draw the rows of one server, at least one."""


def grouped(rows: Iterable[R], key: Callable[[R], Any]) -> list[tuple[Any, list[R]]]:
    return [(value, list(group)) for value, group in groupby(sorted(rows, key=key), key)]


def latency_of(samples: Sequence[Sample]) -> Latency:
    """Read the percentiles off each sample, which is a round."""
    return spread.latency(sample.latencies for sample in samples)


def shares(rounds: Iterable[tuple[float, float]]) -> Spread:
    """Of a baseline, where it answered: on a busy machine a short turn may see nothing."""
    found = [own / baseline for own, baseline in rounds if baseline]
    return spread.spread(found or [0.0])


def errors_in(samples: Sequence[Sample]) -> int:
    return sum(sample.errors for sample in samples)
