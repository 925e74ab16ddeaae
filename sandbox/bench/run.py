"""A whole run: the servers one after another, every experiment on each."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import IO, Protocol, cast

import uvloop

from consumers.catalogue import CATALOGUE
from sandbox.bench import cores
from sandbox.bench.client import connect, disconnect
from sandbox.bench.experiments import EXPERIMENTS, QUICK, Plan, Step
from sandbox.bench.lab import BASELINES, PEER_EXHIBITS, SANDBOX, Exhibit, Lab, UnfitError, started
from sandbox.bench.load import WrongReplyError, closed_loop, first_reply, request
from sandbox.bench.report import Ceiling, Refused, Report, Server
from sandbox.compare.engine import Target, compare, questions
from sandbox.compare.output.words import in_words
from sandbox.processes.child import child
from sandbox.processes.machine import machine, versions
from sandbox.processes.servers import ROOT

CLIENT = ("picows", "httptools", "uvloop")
SCHEMES = {"websocket": "ws", "http": "http"}
NEAR_THE_CEILING = 2 / 3
QUICK_PROBES = "Values"


class Watcher(Protocol):
    """Whoever shows how far the run is."""

    def expect(self, seconds: float) -> None:
        """So much more is to come."""

    def now(self, says: str) -> None: ...
    def done(self, seconds: float) -> None: ...


def find(ids: Sequence[str], *, peers: bool) -> list[Exhibit]:
    """Find exhibits in the catalogue, with the baselines that they are measured against."""
    protocols = {one.protocol for one in CATALOGUE if one.id in ids}
    wanted = {*ids, *(BASELINES[SCHEMES[protocol]] for protocol in protocols)}
    found = [
        Exhibit(one.id, one.url, SCHEMES[one.protocol]) for one in CATALOGUE if one.id in wanted
    ]
    schemes = {one.protocol for one in found}
    return found + [one for one in PEER_EXHIBITS if peers and one.protocol in schemes]


def plan(  # noqa: PLR0913 # as many as the command has options
    *,
    quick: bool = False,
    rounds: int | None = None,
    seconds: float | None = None,
    connections: Sequence[int] = (),
    payloads: Sequence[int] = (),
    idle: Sequence[int] = (),
) -> Plan:
    usual = QUICK if quick else Plan()
    counts = tuple(sorted(set(connections)))
    return replace(
        usual,
        rounds=rounds or usual.rounds,
        seconds=seconds or usual.seconds,
        connections=counts or usual.connections,
        waiting=counts or usual.waiting,
        payloads=tuple(sorted(set(payloads))) or usual.payloads,
        idle=tuple(sorted(set(idle))) or counts or usual.idle,
    )


class Bench:
    """What is to be measured, and the report that fills meanwhile."""

    def __init__(
        self,
        servers: Sequence[str],
        experiments: Sequence[str],
        exhibits: Sequence[Exhibit],
        plan: Plan,
        watcher: Watcher,
    ) -> None:
        self.servers, self.experiments, self.exhibits = servers, experiments, exhibits
        self.plan, self.watcher = plan, watcher
        self.report = Report(
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=versions(*CLIENT),
            machine=machine(),
            cores=cores.where(),
            rounds=plan.rounds,
            seconds_each=plan.seconds,
        )

    def run(self) -> None:
        """Measure, until all is done or Ctrl-C is pressed. Raises ServerError."""
        began = monotonic()
        gc.freeze()  # what is here by now need never be looked at again
        cores.connections_at_most()  # before any server starts, that inherits the limit
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._measure())
            self.report.is_complete = True
        except KeyboardInterrupt:
            pass
        finally:
            cores.unpin()
        self.report.seconds = monotonic() - began
        self.report.warnings += _near_the_ceiling(self.report, self.plan.usual_size)

    async def _measure(self) -> None:
        self.watcher.now("the client's ceiling")
        self.report.ceilings += await _ceilings(self.plan)
        for server in self.servers:
            await self._on(server)

    async def _on(self, server: str) -> None:
        with ExitStack() as stack:
            applications = [SANDBOX, *(exhibit.application for exhibit in self.exhibits)]
            running = {
                application: stack.enter_context(started(server, application))
                for application in dict.fromkeys(applications)
            }
            self.report.servers.append(Server(server, running[SANDBOX].version))
            self.watcher.now(f"{server}: the probes of compare")
            lab = Lab(server, list(self.exhibits), running)
            await _refuse_the_unfit(lab, self.report, every_probe=self.plan.every_probe)
            experiments = [EXPERIMENTS[name](lab, self.plan) for name in self.experiments]
            steps = []
            for name, experiment in zip(self.experiments, experiments, strict=True):
                its_steps = list(experiment.steps())
                if not its_steps:
                    self.report.warnings.append(f"{name}: none of the exhibits takes part in it.")
                steps += its_steps
            self.watcher.expect(sum(step.seconds for step in steps))
            try:
                for step in steps:
                    self.watcher.now(f"{server}: {step.says}")
                    await _take(step, lab, self.report)
                    self.watcher.done(step.seconds)
            finally:
                for experiment in experiments:
                    experiment.add_to(self.report)


async def _take(step: Step, lab: Lab, report: Report) -> None:
    """Take a step; an exhibit that fails is told of, and takes part in no further one."""
    if step.exhibit in lab.refused:
        return
    try:
        await step.do()
    except (UnfitError, WrongReplyError, OSError) as error:
        _refuse(lab, report, step.exhibit, f"{step.says}: {error}")


def _refuse(lab: Lab, report: Report, exhibit: str, reason: str) -> None:
    lab.refused.add(exhibit)
    lab.exhibits = [one for one in lab.exhibits if one.id != exhibit]
    report.refused.append(Refused(lab.server, exhibit, reason))


async def _refuse_the_unfit(lab: Lab, report: Report, *, every_probe: bool) -> None:
    """Measure nobody who does not do the work: not one that errs quickly."""
    ids = {exhibit.id for exhibit in lab.exhibits}
    asked = [
        (exhibit, probe)
        for exhibit, probe in questions([one for one in CATALOGUE if one.id in ids])
        # What watches the clock is left to compare: a busy machine would fail it.
        if not probe.watches_clock and (every_probe or probe.group == QUICK_PROBES)
    ]
    server = lab.running[SANDBOX]
    target = Target(lab.server, server.version, server.url)
    for cell in await compare(target, asked):
        if cell.verdict == "differs" and cell.exhibit not in lab.refused:
            seen, expected = in_words(cell.seen), in_words(cell.expected)
            said = f"compare's probe {cell.probe} saw “{seen}” instead of “{expected}”"
            _refuse(lab, report, cell.exhibit, said)


async def _ceilings(plan: Plan) -> list[Ceiling]:
    found = []
    payload = request(plan.usual_size)
    with _trivial_servers() as urls:
        for protocol, url in urls.items():
            lines, _ = await connect(url, plan.usual)
            echo = await first_reply(lines[0], payload)
            rates = [
                (await closed_loop(lines, payload, echo, plan.seconds)).per_second
                for _ in range(plan.rounds)
            ]
            await disconnect(lines)
            found.append(Ceiling(protocol, max(rates)))
    return found


@contextmanager
def _trivial_servers() -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        with cores.starting_a_server():
            process = stack.enter_context(
                child(
                    [sys.executable, "-m", "sandbox.bench.trivial"],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        urls = [cast("IO[str]", process.stdout).readline().strip() for _ in SCHEMES]
        yield {url.partition(":")[0]: url for url in urls}


def _near_the_ceiling(report: Report, size: int) -> list[str]:
    """Warn of figures that may be the client's rather than the server's."""
    said = []
    for ceiling in report.ceilings:
        near = [
            f"{row.exhibit} on {row.server} ({row.connections} connections)"
            for row in report.echo
            if row.exhibit.endswith("http") == (ceiling.protocol == "http")
            and row.payload_bytes == size
            and row.per_second.median > ceiling.per_second * NEAR_THE_CEILING
        ]
        if near:
            said.append(
                f"The client does {ceiling.per_second:,.0f} a second at most over "
                f"{ceiling.protocol}. Near that, and so maybe faster than they look, came "
                f"{', '.join(near)}."
            )
    return said
