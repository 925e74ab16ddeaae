"""``delivery``: what reaches the members of a room while connections, servers and Redis fail."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import floor, inf
from time import perf_counter
from typing import ClassVar

from consumers.catalogue import CATALOGUE
from sandbox.bench.exhibits import BY_ID, Exhibit
from sandbox.bench.experiment import Experiment, Row, Step
from sandbox.bench.faults import FAULTS, FAULTS_END, Deployment
from sandbox.bench.members import (
    LONGEST_RETRY_SECONDS,
    POLL_SECONDS,
    RETRY_SECONDS,
    Count,
    Member,
    Publisher,
    count,
    taking_turns,
)
from sandbox.bench.output.charts import Bar, Bars, Chart, Strip, Strips
from sandbox.bench.output.table import Column, many
from sandbox.bench.plan import Plan
from sandbox.bench.spread import Spread, percentiles
from sandbox.bench.testbed import Testbed, UnmeasurableError
from sandbox.processes.servers import ServerError

READY_SECONDS = 30.0
SETTLE_SECONDS = 10.0
"""How long clients have to come back after a fault; then how long to wait for the next message,
as long as not all have the last."""


class DeliveryRow(Row, frozen=True, kw_only=True):
    """``delivery``: messages to all clients of a room while something fails."""

    fault: str
    clients: int
    published: int
    """Messages that a server acknowledged."""
    unacknowledged: int
    """Attempts to publish that were not, and were made again: they count as nothing."""
    delivered: int
    """Of what was published to all clients together: each message once for each client."""
    lost: int
    doubled: int
    out_of_order: int
    times_away: int
    """How often a client was without messages, all clients together."""
    back: dict[str, float]
    """Milliseconds until such a client had a message that was published in the meantime."""
    never: int
    """Clients that were not back at the end."""
    lost_percent: list[float]
    """For each fortieth of the messages, in the order in which they were published."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the members of one room have received."""

    acknowledged: Sequence[int]
    unacknowledged: int
    counts: Sequence[Count]
    """Of each member."""
    back: Sequence[float]
    """Seconds."""
    never: int
    errors: int


def percent_delivered(row: DeliveryRow) -> str:
    """Round down: only what lost nothing is at 100."""
    return f"{floor(row.delivered / (row.delivered + row.lost) * 10_000) / 100:.2f}"


def seconds(back: Mapping[str, float], percentile: str) -> str:
    return f"{back[percentile] / 1000:.2f}" if back else "-"


class Delivery(Experiment[DeliveryRow]):
    """One room for each exhibit and fault, on two servers that share a Redis and a database."""

    row = DeliveryRow
    by_default = False
    takes_rooms = True
    needs_redis = True
    turns: dict[tuple[str, str], list[Turn]]
    columns = (
        Column("sent", lambda row: f"{row.published:,}"),
        Column("arrived %", percent_delivered),
        Column("lost", lambda row: f"{row.lost:,}"),
        Column("doubled", lambda row: f"{row.doubled:,}"),
        Column("out of order", lambda row: f"{row.out_of_order:,}"),
        Column("back p50 s", lambda row: seconds(row.back, "p50")),
        Column("p99 s", lambda row: seconds(row.back, "p99")),
        Column("never", lambda row: f"{row.never:,}"),
    )

    CELLS: ClassVar[int] = 40
    SHADES: ClassVar[dict[float, str]] = {
        1e-9: "none lost", 1: "under 1 % lost", 10: "under 10 %", 50: "under 50 %", inf: "more",
    }  # fmt: skip

    def __init__(self, testbed: Testbed, plan: Plan) -> None:
        super().__init__(testbed, plan)
        self._deployment: Deployment | None = None

    @classmethod
    def usual(cls, plan: Plan) -> list[Exhibit]:
        return [BY_ID[one] for one in plan.delivery]

    def steps(self) -> Iterator[Step]:
        publishing = self.plan.messages / self.plan.messages_per_second
        for fault in FAULTS:
            for exhibit in self.exhibits:
                yield Step(
                    f"delivery: {exhibit.id}, {fault}",
                    exhibit.id,
                    publishing * 1.2 + 2,
                    partial(self.turn, exhibit, fault),
                )

    async def turn(self, exhibit: Exhibit, fault: str) -> None:
        try:
            if self._deployment is None:
                self._deployment = self.testbed.lasting.enter_context(
                    Deployment(self.testbed.server, self.testbed.venv)
                )
            turn = await self.room(self._deployment, exhibit, fault)
        except BaseException as error:
            # What a fault has left behind must not spoil the next room.
            if self._deployment:
                self._deployment.close()
            self._deployment = None
            if isinstance(error, ServerError | TimeoutError):
                raise UnmeasurableError(str(error)) from error
            raise
        self.turns[fault, exhibit.id].append(turn)

    async def room(self, deployment: Deployment, exhibit: Exhibit, fault: str) -> Turn:
        name = f"{exhibit.id}-{fault}".replace("/", "-").replace(" ", "-")
        servers = [f"127.0.0.1:{instance.port}" for instance in deployment.instances]
        urls = [f"{exhibit.scheme}://{server}{exhibit.path_in(name)}" for server in servers]
        publisher = Publisher(
            taking_turns(
                [f"http://{server}{publishing_path(exhibit, name)}" for server in servers]
            ),
            self.plan.messages,
            1 / self.plan.messages_per_second,
        )
        members = [
            Member(taking_turns(urls, number), publisher.began, exhibit.remembers)
            for number in range(self.plan.clients)
        ]
        tasks = [asyncio.create_task(member.stay()) for member in members]
        try:
            await get_ready(publisher, members)
            strike = FAULTS[fault].strike(deployment, members, publisher.reached)
            tasks.append(striking := asyncio.ensure_future(strike))
            last = round(self.plan.messages * (1 - FAULTS_END))
            await publisher.publish(self.plan.messages - last - 1)
            while not striking.done():  # without messages it would not be seen who is back
                await publisher.publish(1)
            await striking
            give_up = perf_counter() + SETTLE_SECONDS
            while any(member.is_away for member in members) and perf_counter() < give_up:
                await publisher.publish(1)
            await publisher.publish(last)
            await have_all(members, publisher.acknowledged[-1], SETTLE_SECONDS)
        finally:
            publisher.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return Turn(
            publisher.acknowledged,
            publisher.unacknowledged,
            [count(publisher.acknowledged, member.arrived) for member in members],
            [away for member in members for away in member.back],
            sum(member.is_away for member in members),
            sum(member.errors for member in members),
        )

    def rows(self) -> list[DeliveryRow]:
        return [
            self.row_of(fault, exhibit, turn)
            for (fault, exhibit), turns in self.turns.items()
            for turn in turns
        ]

    def row_of(self, fault: str, exhibit: str, turn: Turn) -> DeliveryRow:
        published, clients = len(turn.acknowledged), len(turn.counts)
        lost = sum(len(one.missing) for one in turn.counts)
        return DeliveryRow(
            server=self.testbed.column,
            exhibit=exhibit,
            errors=turn.errors,
            fault=fault,
            clients=clients,
            published=published,
            unacknowledged=turn.unacknowledged,
            delivered=published * clients - lost,
            lost=lost,
            doubled=sum(one.doubled for one in turn.counts),
            out_of_order=sum(one.out_of_order for one in turn.counts),
            times_away=len(turn.back) + turn.never,
            back=percentiles(turn.back),
            never=turn.never,
            lost_percent=self.trace(turn),
        )

    @classmethod
    def trace(cls, turn: Turn) -> list[float]:
        """Read off what share of each part of the messages was lost, in percent."""
        losses = Counter(number for one in turn.counts for number in one.missing)
        total = len(turn.acknowledged)
        cells = min(cls.CELLS, total)
        edges = [total * cell // cells for cell in range(cells + 1)]
        parts = [turn.acknowledged[begin:end] for begin, end in pairwise(edges)]
        return [
            100 * sum(losses[number] for number in part) / (len(part) * len(turn.counts))
            for part in parts
        ]

    def notes(self) -> Iterator[str]:
        if self.turns:
            yield (
                f"delivery: a client that has lost its connection waits for a random time of up to "
                f"{RETRY_SECONDS:g} s, after each failure for twice as long, up to "
                f"{LONGEST_RETRY_SECONDS:g} s, and connects to the other server. It is back when "
                "it gets a message that was published in the meantime. The servers use all cores."
            )
        again = [row for row in self.rows() if row.unacknowledged]
        if again:
            attempts = (f"{row.unacknowledged:,} ({row.exhibit}, {row.fault})" for row in again)
            yield (
                "delivery: attempts to publish that no server acknowledged, and that were "
                f"repeated: {', '.join(attempts)}."
            )

    @staticmethod
    def title(row: DeliveryRow) -> str:
        return f"{row.fault}, {many(row.clients, 'client')} of a room on two servers, {row.server}"

    @classmethod
    def charts(cls, rows: Sequence[DeliveryRow]) -> Iterator[Chart]:
        by_fault = [(fault, [row for row in rows if row.fault == fault]) for fault in FAULTS]
        yield Strips(
            "Delivery: what is lost while something fails",
            "Each row is a room, each cell a fortieth of its messages, in the order in which they "
            "were published. At the end of the row: how many of all messages reached the clients.",
            [
                (
                    f"{fault}: {FAULTS[fault].sentence}",
                    [
                        Strip(
                            row.exhibit,
                            f"{percent_delivered(row)} %",
                            f"{row.delivered:,} delivered, {row.lost:,} lost, {row.doubled:,} "
                            f"doubled, {row.out_of_order:,} out of order",
                            row.lost_percent,
                        )
                        for row in group
                    ],
                )
                for fault, group in by_fault
                if group
            ],
            cls.SHADES,
        )
        for fault, group in by_fault:
            if away := [row for row in group if row.back]:
                yield Bars(
                    f"Back after {fault}",
                    "Seconds until a client has a message again that was published in the "
                    "meantime: the 99th percentile. The thin line goes from the median to the "
                    "longest.",
                    [
                        Bar(
                            row.exhibit,
                            row.back["p99"],
                            f"{seconds(row.back, 'p99')} s, {row.never:,} never",
                            f"{row.times_away:,} times away, p50 {seconds(row.back, 'p50')} s",
                            Spread(row.back["p50"], row.back["p50"], row.back["max"]),
                        )
                        for row in away
                    ],
                )


def publishing_path(exhibit: Exhibit, room: str) -> str:
    """Find where to POST so that the members of a room get it: the same for all types."""
    return next(
        one.url_in(room)
        for one in CATALOGUE
        if one.has_rooms and one.protocol == "http" and one.edition.remembers == exhibit.remembers
    )


async def get_ready(publisher: Publisher, members: Sequence[Member]) -> None:
    """Let all join and receive a first message. Raises UnmeasurableError."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            for member in members:
                await member.joined.wait()
    except TimeoutError:
        joined = sum(member.joined.is_set() for member in members)
        raise UnmeasurableError(f"{joined} of {len(members)} clients got in.") from None
    await publisher.publish(1)
    if missing := await have_all(members, publisher.acknowledged[0], READY_SECONDS):
        raise UnmeasurableError(f"{missing} of {len(members)} clients got no first message.")


async def have_all(members: Sequence[Member], number: int, longest: float) -> int:
    """Wait until all members have a message, or no member gets any more for so many seconds.

    Return how many do not have it.
    """
    before, give_up = -inf, 0.0
    while True:
        missing = sum(member.newest < number for member in members)
        progress = sum(member.newest for member in members)
        if progress > before:
            before, give_up = progress, perf_counter() + longest
        if not missing or perf_counter() > give_up:
            return missing
        await asyncio.sleep(POLL_SECONDS)
