"""``processes``: what further processes of a server gain, on as many cores as there are."""

import shutil
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import psutil

from sandbox.bench.cores import ARE_APART, CORES, SERVER_CORES, starting_several_processes
from sandbox.bench.exhibits import BY_ID, Exhibit, rotated
from sandbox.bench.experiment import Experiment, Figure, Row, Step, errors_in, grouped, latency_of
from sandbox.bench.experiments.echo import near_the_ceiling
from sandbox.bench.load import Sample, closed_loop, first_reply, request
from sandbox.bench.output.charts import Bar, Bars
from sandbox.bench.output.table import SPREAD, Column, latency_columns, low_high, many
from sandbox.bench.plan import SMALL, Plan
from sandbox.bench.spread import Latency, Spread, spread
from sandbox.bench.testbed import Testbed, idle, processor_seconds, started
from sandbox.processes.servers import Server

FREE_THREADED = ("python3.15t", "python3.14t", "python3.13t")


class ProcessesRow(Row, frozen=True, kw_only=True):
    """``processes``: the maximum with so many processes of the server, all on one port."""

    processes: int
    cores: int
    """That these processes share."""
    connections: int
    per_second: Spread
    speed_up: Spread
    """Over one process in the same round."""
    busiest: Spread
    """The share of the connections that the process with the most of them had."""
    latency: Latency


@dataclass(frozen=True, slots=True)
class Turn:
    sample: Sample
    busiest: float


class Processes(Experiment[ProcessesRow]):
    """Closed loop; the servers are started once, and an exhibit is measured on each in a row."""

    by_default = False
    row = ProcessesRow
    turns: dict[str, list[dict[int, Turn]]]
    """Of each exhibit, by the number of processes."""
    columns = (
        Column("processes", lambda row: f"{row.processes}"),
        Column("per second", lambda row: f"{row.per_second.median:,.0f}"),
        Column("times one", lambda row: f"{row.speed_up.median:.2f}"),
        Column(SPREAD, lambda row: low_high(row.speed_up, ".2f")),
        Column("in the busiest", lambda row: f"{row.busiest.median:.0%}"),
        *latency_columns("p99"),
    )
    figures: ClassVar = {
        "speed-up": Figure("times as many as with one process", lambda row: row.speed_up)
    }

    CONNECTIONS_EACH: ClassVar[int] = 32
    """For each process of the largest number of them: all have as many connections."""

    def __init__(self, testbed: Testbed, plan: Plan) -> None:
        super().__init__(testbed, plan)
        self.servers: dict[tuple[str, int], Server] = {}

    @classmethod
    def usual(cls, plan: Plan) -> list[Exhibit]:
        return [BY_ID[one] for one in plan.several]

    def steps(self) -> Iterator[Step]:
        for number in range(self.plan.rounds):
            for exhibit in rotated(self.exhibits, number):
                yield Step(
                    f"processes: {exhibit.id}",
                    exhibit.id,
                    len(self.plan.processes) * (self.plan.seconds * 4 / 3 + 0.2),
                    partial(self.turn, exhibit),
                )

    def connections(self) -> int:
        return self.CONNECTIONS_EACH * max(self.plan.processes)

    async def turn(self, exhibit: Exhibit) -> None:
        turn = {count: await self.maximum(exhibit, count) for count in self.plan.processes}
        self.turns[exhibit.id].append(turn)  # complete, or not at all

    async def maximum(self, exhibit: Exhibit, processes: int) -> Turn:
        server = await self.server(exhibit.application, processes)
        testbed = Testbed(self.testbed.server, [exhibit], {exhibit.application: server})
        process, payload = testbed.process(exhibit), request(SMALL)
        async with testbed.connections(exhibit, self.connections()) as connections:
            echo = await first_reply(connections[0], payload)
            meter = partial(processor_seconds, process)
            sample = await closed_loop(connections, payload, echo, self.plan.seconds, meter=meter)
            return Turn(sample, busiest(process, server.port))

    async def server(self, application: str, processes: int) -> Server:
        """Start it when it is first needed; it ends with the testbed."""
        if (application, processes) not in self.servers:
            running = self.testbed.lasting.enter_context(
                started(
                    self.testbed.server,
                    application,
                    processes=processes,
                    venv=self.testbed.venv,
                    starting=starting_several_processes,
                )
            )
            await idle(psutil.Process(running.process.pid))
            self.servers[application, processes] = running
        return self.servers[application, processes]

    def rows(self) -> list[ProcessesRow]:
        return [
            self.row_of(exhibit, count, [one[count] for one in rounds], [one[1] for one in rounds])
            for exhibit, rounds in self.turns.items()
            for count in self.plan.processes
        ]

    def row_of(
        self, exhibit: str, count: int, turns: Sequence[Turn], alone: Sequence[Turn]
    ) -> ProcessesRow:
        samples = [turn.sample for turn in turns]
        return ProcessesRow(
            server=self.testbed.column,
            exhibit=exhibit,
            processes=count,
            cores=len(SERVER_CORES),
            connections=self.connections(),
            per_second=spread([sample.per_second for sample in samples]),
            speed_up=spread(
                [
                    sample.per_second / one.sample.per_second if one.sample.per_second else 0.0
                    for sample, one in zip(samples, alone, strict=True)
                ]
            ),
            busiest=spread([turn.busiest for turn in turns]),
            latency=latency_of(samples),
            errors=errors_in(samples),
        )

    def notes(self) -> Iterator[str]:
        yield free_threaded()

    def warnings(self) -> Iterator[str]:
        largest = max(self.plan.processes)
        if ARE_APART and largest > len(SERVER_CORES):
            yield (
                f"processes: this machine has {len(CORES)} cores, and the client needs one. "
                f"{largest} processes of a server share {many(len(SERVER_CORES), 'core')}, so this "
                "shows what more processes cost, and not what they gain on cores of their own."
            )
        yield from near_the_ceiling(
            self.testbed, {f"{one.exhibit} ({processes_of(one)})": one for one in self.rows()}
        )

    @staticmethod
    def title(row: ProcessesRow) -> str:
        return (
            f"several processes of {row.server} on {many(row.cores, 'core')}, "
            f"{many(row.connections, 'connection')}"
        )

    @classmethod
    def where(cls, row: ProcessesRow) -> str:
        return f"{processes_of(row)} on {many(row.cores, 'core')}"

    @classmethod
    def charts(cls, rows: Sequence[ProcessesRow]) -> Iterator[Bars]:
        for processes, group in grouped(rows, lambda row: row.processes):
            if processes > 1:
                yield Bars(
                    f"Speed-up: {processes} processes on {many(group[0].cores, 'core')}",
                    "How many times as many round trips a second as one process, in the same "
                    "round. The thin line spans the single rounds.",
                    [
                        Bar(
                            row.exhibit,
                            row.speed_up.median,
                            f"{row.speed_up.median:.2f}",
                            f"{row.per_second.median:,.0f} round trips a second; the busiest "
                            f"process had {row.busiest.median:.0%} of the connections",
                            row.speed_up,
                        )
                        for row in group
                    ],
                )


def processes_of(row: ProcessesRow) -> str:
    return f"{many(row.processes, 'process', 'processes')} of {row.server}"


def busiest(process: psutil.Process, port: int) -> float:
    """Give the share of a server's connections that the process with the most of them has."""
    counts = Counter(
        one.pid
        for one in (process, *process.children(recursive=True))
        for connection in one.net_connections("tcp")
        if connection.laddr.port == port and connection.status == psutil.CONN_ESTABLISHED
    )
    return max(counts.values(), default=0) / (counts.total() or 1)


def free_threaded() -> str:
    """Say whether the servers ran on a Python without a global lock, and otherwise how to do so."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "The servers ran on a free-threaded build of Python."
    found = next((name for name in FREE_THREADED if shutil.which(name)), "")
    get = "" if found else "uv python install 3.14t; "
    return (
        "To see what one process does on several cores, run this on a free-threaded Python too: "
        f"{get}{found or 'python3.14t'} -m venv .venv-t; .venv-t/bin/pip install -e "
        "'.[bench,servers]'; .venv-t/bin/python manage.py bench processes."
    )
