"""``anatomy``: where the processor time of one message goes, one cost at a time."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby
from statistics import median
from typing import ClassVar, Literal

from sandbox.bench.exhibits import Exhibit, rotated
from sandbox.bench.experiment import Experiment, Row, Step
from sandbox.bench.load import Sample, join, request
from sandbox.bench.output.charts import Part, Waterfall
from sandbox.bench.output.table import SPREAD, Column, Table, TableRow, low_high
from sandbox.bench.plan import Plan
from sandbox.bench.spread import Spread, spread
from sandbox.bench.testbed import Testbed, UnmeasurableError, started

APPLICATION = "sandbox.bench.anatomy_application:application"
TYPES = {
    "websocket": "WebsocketConsumer",
    "async-websocket": "AsyncWebsocketConsumer",
    "json-websocket": "JsonWebsocketConsumer",
    "async-json-websocket": "AsyncJsonWebsocketConsumer",
    "async-http": "AsyncHttpConsumer",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """A step of the application."""

    name: str
    """In its path."""
    label: str
    does: str
    """What the server does in it, in one sentence."""
    kind: Literal["next", "instead", "whole"] = "next"
    """What it is compared with: the last "next" before it, and itself the next one or not; or
    nothing, because it is no step but a figure to compare with."""
    of: Literal["all", "sync", "async"] = "all"
    """The types that have it."""


COSTS = (
    Cost(
        "bare",
        "bare ASGI",
        "The server, the system, and a loop that sends back what came.",
        kind="whole",
    ),
    Cost("routing", "URL routing", "ProtocolTypeRouter and URLRouter find the application."),
    Cost(
        "guards",
        "routing/ of this project",
        "Checks of Host and Origin, and for each event ending.py and backpressure.py.",
    ),
    Cost(
        "session",
        "AuthMiddlewareStack",
        "The session and the user in the scope, and a look at the session for each event sent.",
    ),
    Cost("tasks", "await_many_dispatch", "A task for each event."),
    Cost(
        "hop",
        "aclose_old_connections",
        "Before each event, to the one thread of all synchronous code and back.",
        of="async",
    ),
    Cost(
        "handler-on-thread",
        "database_sync_to_async",
        "The handler runs on the one thread of all synchronous code.",
        of="sync",
    ),
    Cost(
        "send-from-thread",
        "async_to_sync(send)",
        "The reply is sent by the event loop while the thread waits.",
        of="sync",
    ),
    Cost("generic", "generic consumer", "The base class finds a handler by the event's name."),
    Cost("codec", "codec", "JSON is decoded, checked, answered and encoded."),
    Cost("log", "connection log", "Lines that are not printed, at LOG_LEVEL=WARNING."),
    Cost("printed", "a line of log, printed", "One line for each message.", kind="instead"),
    Cost(
        "thread-each",
        "isolation: a thread each",
        "Each connection has a thread of its own.",
        kind="instead",
    ),
    Cost(
        "pool",
        "isolation: a pool",
        "All connections share the threads of routing/isolation.py.",
        kind="instead",
    ),
    Cost(
        "tuned-session",
        "tuned, with session",
        "The mixins of the edition tuned, in the pool, with AuthMiddlewareStack.",
        kind="whole",
    ),
    Cost(
        "tuned",
        "tuned, without session",
        "The same without AuthMiddlewareStack.",
        kind="whole",
    ),
    Cost("bare-again", "bare ASGI, once more", "The noise: it should be as above.", kind="whole"),
)
BY_NAME = {cost.name: cost for cost in COSTS}


def costs_of(slug: str) -> list[Cost]:
    """List the steps of a type, in order."""
    kind = "async" if slug.startswith("async-") else "sync"
    return [cost for cost in COSTS if cost.of in {"all", kind}]


def compared(slug: str) -> dict[str, str]:
    """Name for each step of a type the one that it adds something to, if any."""
    pairs, last = {}, "bare"
    for cost in costs_of(slug):
        if cost.kind != "whole":
            pairs[cost.name] = last
        if cost.kind == "next":
            last = cost.name
    return pairs


class AnatomyRow(Row, frozen=True, kw_only=True):
    """``anatomy``: processor time of the server for one round trip, at one step of a message's way.

    A figure is the share of bare ASGI in its round, times the median of bare ASGI.
    """

    step: str
    after: str
    """The step that it adds something to; empty where it is compared with nothing."""
    microseconds: Spread
    added: Spread | None
    is_finding: bool
    """Whether no round of this step lies within the rounds of the step before, of five or more."""

    @property
    def type(self) -> str:
        return TYPES[self.exhibit]

    @property
    def cost(self) -> Cost:
        return BY_NAME[self.step]

    @property
    def label(self) -> str:
        sign = {"next": "+ ", "instead": "or + ", "whole": ""}[self.cost.kind]
        return sign + self.cost.label

    @property
    def added_in_words(self) -> str:
        if self.added is None:
            return ""
        figure = f"{self.added.median:+.1f}"
        return figure if self.is_finding else f"({figure})"


class Anatomy(Experiment[AnatomyRow]):
    """Each turn measures all steps of one type, from the first to the last and back.

    So that what disturbs the machine, or changes in the server, hits all of them alike.
    """

    by_default = False
    row = AnatomyRow
    turns: dict[str, list[Mapping[str, float]]]
    """By type: microseconds by step."""
    columns = (
        Column("µs", lambda row: f"{row.microseconds.median:.1f}"),
        Column(SPREAD, lambda row: low_high(row.microseconds, ".1f")),
        Column("added µs", lambda row: row.added_in_words),
        Column(SPREAD, lambda row: low_high(row.added, ".1f") if row.added else ""),
    )

    CERTAIN_ROUNDS: ClassVar[int] = 5
    """Twice two rounds lie apart by chance once in three times, twice five once in 126."""

    def __init__(self, testbed: Testbed, plan: Plan) -> None:
        super().__init__(testbed, plan)
        self.errors = dict.fromkeys(TYPES, 0)

    @classmethod
    def usual(cls, plan: Plan) -> list[Exhibit]:  # noqa: ARG003 # it has steps of its own
        return []

    @cached_property
    def own_testbed(self) -> Testbed:
        """A server of the application, started when it is first needed."""
        testbed = self.testbed
        server = testbed.lasting.enter_context(
            started(testbed.server, APPLICATION, venv=testbed.venv)
        )
        return replace(self.testbed, running={APPLICATION: server})

    def steps(self) -> Iterator[Step]:
        for _ in range(self.plan.rounds):
            for slug, type_ in TYPES.items():
                each = self.plan.seconds * 4 / 3 + 0.1 + self.plan.usual / 350
                yield Step(
                    f"anatomy: {type_}",
                    slug,
                    each * len(costs_of(slug)),
                    partial(self.turn, slug),
                )

    async def turn(self, slug: str) -> None:
        scheme = "http" if slug.endswith("http") else "ws"
        steps = [
            Exhibit(cost.name, f"/{slug}/{cost.name}/", scheme, APPLICATION)
            for cost in costs_of(slug)
        ]
        steps = rotated(steps, len(self.turns[slug]))
        taken: dict[str, list[Sample]] = defaultdict(list)
        # Each opens connections of its own: Uvicorn closes those that are idle for 5 seconds.
        for step in [*steps, *reversed(steps)]:
            sample = await self.own_testbed.saturate(
                step, self.plan.usual, request(self.plan.usual_size), self.plan.seconds / 2
            )
            self.errors[slug] += sample.errors
            if not sample.latencies:
                raise UnmeasurableError(f"{step.id} answered nothing in its turn")
            taken[step.id].append(sample)
        self.turns[slug].append({name: _microseconds(join(both)) for name, both in taken.items()})

    def rows(self) -> list[AnatomyRow]:
        return [row for slug in TYPES if self.turns.get(slug) for row in self.rows_of(slug)]

    def rows_of(self, slug: str) -> Iterator[AnatomyRow]:
        turns = self.turns[slug]
        bare = median(turn["bare"] for turn in turns)
        scaled = {
            cost.name: [turn[cost.name] / turn["bare"] * bare for turn in turns]
            for cost in costs_of(slug)
        }
        before = compared(slug)
        for name, figures in scaled.items():
            after = before.get(name, "")
            microseconds = spread(figures)
            added = None
            if after:
                each = [own - other for own, other in zip(figures, scaled[after], strict=True)]
                # Of the medians, which lies within the single rounds too: so steps add up.
                difference = microseconds.median - median(scaled[after])
                added = Spread(difference, min(each), max(each))
            yield AnatomyRow(
                server=self.testbed.column,
                exhibit=slug,
                step=name,
                after=after,
                microseconds=microseconds,
                added=added,
                is_finding=bool(after)
                and len(turns) >= self.CERTAIN_ROUNDS
                and microseconds.is_apart_from(spread(scaled[after])),
                errors=self.errors[slug],
            )

    def notes(self) -> Iterator[str]:
        yield (
            "In anatomy each row shows what is in front of it. (In brackets): this run does not "
            "show that the step costs anything, because its rounds and those of the step before "
            f"overlap, or there were fewer than {self.CERTAIN_ROUNDS} rounds."
        )

    @staticmethod
    def title(row: AnatomyRow) -> str:
        return f"the processor time of one message, {row.type} on {row.server}"

    @classmethod
    def tables(cls, rows: Sequence[AnatomyRow]) -> Iterator[Table]:
        for title, group in groupby(rows, cls.title):
            yield Table(
                title,
                [column.heading for column in cls.columns],
                [
                    TableRow(row.label, row.errors, [column.cell(row) for column in cls.columns])
                    for row in group
                ],
            )

    @classmethod
    def charts(cls, rows: Sequence[AnatomyRow]) -> Iterator[Waterfall]:
        for _, group in groupby(rows, lambda row: row.exhibit):
            yield waterfall({row.step: row for row in group})


def _microseconds(sample: Sample) -> float:
    return sample.processor_seconds / len(sample.latencies) * 1e6


def waterfall(rows: Mapping[str, AnatomyRow]) -> Waterfall:
    whole = rows["log"]
    parts = []
    for row in rows.values():
        own = row.microseconds
        figure = f"{row.added_in_words} µs" if row.added else f"{own.median:.1f} µs"
        tooltip = f"{row.cost.does} {own.median:.1f} µs in all ({low_high(own, '.1f')})"
        if row.added:
            tooltip += f", {row.added.median:+.1f} µs more ({low_high(row.added, '.1f')})"
        begin = rows[row.after].microseconds.median if row.after else 0.0
        certain = row.is_finding or not row.after
        parts.append(Part(row.label, begin, own.median, figure, tooltip, certain))
        if row is whole:
            figure = f"{own.median:.1f} µs"
            parts.append(Part(f"= {row.type}", 0.0, own.median, figure, "All of the above."))
    return Waterfall(
        f"{whole.type}: where {whole.microseconds.median:.0f} µs of a round trip go",
        "Processor time of the server for one message and its reply. Each bar begins where the one "
        "above it ends: it is what this step adds. Below the sum are parts that can be added to "
        "it, each without the others, and then, to compare, other ways to do the same echo. Pale "
        "and in brackets: within the noise.",
        parts,
    )
