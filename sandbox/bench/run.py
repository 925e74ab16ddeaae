"""A whole run: the servers one after another, every experiment on each."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import IO, Protocol, cast

import uvloop

from sandbox.bench import cores
from sandbox.bench.client import connect, disconnect
from sandbox.bench.exhibits import APPLICATION, MQTT, SCHEMES, Exhibit
from sandbox.bench.experiment import Step
from sandbox.bench.experiments import experiment
from sandbox.bench.load import WrongReplyError, closed_loop, first_reply, request
from sandbox.bench.plan import Plan
from sandbox.bench.report import IN_FRONT, IN_FRONT_OF_DEVICES, Ceiling, Refused, Report, Server
from sandbox.bench.testbed import Testbed, UnmeasurableError, started
from sandbox.compare.engine import Target, compare, questions
from sandbox.compare.needs import missing
from sandbox.compare.output.words import in_words
from sandbox.compare.probes import SETTINGS
from sandbox.processes.child import child
from sandbox.processes.environments import Environment
from sandbox.processes.machine import PACKAGES, machine, versions
from sandbox.processes.servers import ROOT, ServerError

CLIENT = ("picows", "httptools", "uvloop")
QUICK_PROBES = "Values"


class Progress(Protocol):
    """Shows how far the run is."""

    def expect(self, seconds: float) -> None:
        """So much more is to come."""

    def begin(self, title: str) -> None: ...
    def end(self, seconds: float) -> None: ...


class Bench:
    """What is to be measured, and the report that is filled while it is."""

    def __init__(  # noqa: PLR0913, PLR0917 # all that the command knows
        self,
        servers: Sequence[str],
        experiments: Sequence[str],
        exhibits: Sequence[Exhibit],
        plan: Plan,
        progress: Progress,
        venvs: Sequence[Environment | None] = (None,),
    ) -> None:
        self.venvs = venvs
        self.servers, self.experiments, self.exhibits = servers, experiments, exhibits
        self.plan, self.progress = plan, progress
        with_broker = any(one.is_device for one in exhibits)
        self.report = Report(
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=versions(*CLIENT),
            machine=machine(),
            cores=cores.where(with_broker=with_broker),
            rounds=plan.rounds,
            seconds_each=plan.seconds,
            in_front=IN_FRONT_OF_DEVICES if with_broker else IN_FRONT,
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

    async def _measure(self) -> None:
        self.progress.begin("the client's ceiling")
        schemes = {one.scheme for one in self.exhibits if one.is_device} or SCHEMES.values()
        self.report.ceilings += await _ceilings(self.plan, schemes)
        for server in self.servers:
            for venv in self.venvs:
                await self._measure_on(server, venv)

    async def _measure_on(self, server: str, venv: Environment | None) -> None:
        with ExitStack() as stack:
            applications = [APPLICATION, *(exhibit.application for exhibit in self.exhibits)]
            migrated = any(exhibit.remembers for exhibit in self.exhibits)
            running = {
                application: stack.enter_context(
                    started(server, application, SETTINGS, migrated=migrated, venv=venv)
                )
                for application in dict.fromkeys(applications)
            }
            there = running[APPLICATION]
            self.report.servers.append(
                Server(
                    there.column,
                    there.version,
                    there.venv.requirements,
                    {name: it for name in PACKAGES if (it := there.venv.versions.get(name))},
                )
            )
            ceilings = {one.protocol: one.per_second for one in self.report.ceilings}
            testbed = Testbed(server, list(self.exhibits), running, ceilings, stack, venv)
            for one in self.exhibits:
                if one.entry and (reason := missing(one.entry, there.venv.versions)):
                    self._refuse(testbed, one.id, reason)
            self.progress.begin(f"{testbed.column}: the probes of compare")
            failing = await failures(testbed, every_probe=self.plan.every_probe)
            for exhibit, reason in failing.items():
                self._refuse(testbed, exhibit, reason)
            await self._run_experiments(testbed)

    async def _run_experiments(self, testbed: Testbed) -> None:
        experiments = {name: experiment(name)(testbed, self.plan) for name in self.experiments}
        steps = {name: list(one.steps()) for name, one in experiments.items()}
        self.progress.expect(sum(step.seconds for own in steps.values() for step in own))
        try:
            for step in (step for own in steps.values() for step in own):
                self.progress.begin(f"{testbed.column}: {step.title}")
                await self._take(step, testbed)
                self.progress.end(step.seconds)
        finally:
            for name, one in experiments.items():
                rows = one.rows()
                self.report.results.setdefault(name, []).extend(rows)
                self.report.failures += one.failures(rows)
                self.report.notes += [it for it in one.notes() if it not in self.report.notes]
                self.report.warnings += one.warnings()
                if not steps[name]:
                    takes = f" It measures {one.takes}." if one.takes else ""
                    self.report.warnings.append(
                        f"{name}: none of the exhibits takes part in it.{takes}"
                    )

    async def _take(self, step: Step, testbed: Testbed) -> None:
        """Take a step; an exhibit that fails is reported, and takes part in no further one."""
        refused = {(one.server, one.exhibit) for one in self.report.refused}
        if (testbed.column, step.exhibit) in refused:
            return
        try:
            await step.run()
        except (UnmeasurableError, WrongReplyError, ServerError, OSError) as error:
            self._refuse(testbed, step.exhibit, f"{step.title}: {error}")

    def _refuse(self, testbed: Testbed, exhibit: str, reason: str) -> None:
        testbed.exhibits = [one for one in testbed.exhibits if one.id != exhibit]
        self.report.refused.append(Refused(testbed.column, exhibit, reason))


async def failures(testbed: Testbed, *, every_probe: bool) -> dict[str, str]:
    """Find exhibits that do not do their work, and the first probe of compare that shows it.

    An error is quicker than an echo. The probes go to the very application that is measured.
    """
    entries = dict.fromkeys(one.entry for one in testbed.exhibits if one.entry)
    asked = [
        (exhibit, probe)
        for exhibit, probe in questions(entries)
        # What watches the clock is left to compare: a busy machine would fail it.
        if not probe.watches_clock and (every_probe or probe.group == QUICK_PROBES)
    ]
    server = testbed.running[APPLICATION]
    found: dict[str, str] = {}
    target = Target(testbed.server, server.version, server.url, versions=server.venv.versions)
    for cell in await compare(target, asked):
        if cell.verdict == "differs":
            seen, expected = in_words(cell.seen), in_words(cell.expected)
            reason = f"compare's probe {cell.probe} saw “{seen}” instead of “{expected}”"
            for one in testbed.exhibits:
                if one.entry and one.entry.id == cell.exhibit:
                    found.setdefault(one.id, reason)
    return found


async def _ceilings(plan: Plan, schemes: Iterable[str]) -> list[Ceiling]:
    found = []
    payload = request(plan.usual_size)
    with trivial_servers() as urls:
        for scheme in sorted(schemes, reverse=True):
            url = urls[scheme]
            connections, _ = await connect(url, plan.usual)
            echo = await first_reply(connections[0], payload)
            rates = [
                (await closed_loop(connections, payload, echo, plan.seconds)).per_second
                for _ in range(plan.rounds)
            ]
            await disconnect(connections)
            found.append(Ceiling(scheme, max(rates)))
    return found


@contextmanager
def trivial_servers() -> Iterator[dict[str, str]]:
    """Run them; give their URLs by scheme."""
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
        urls = [
            cast("IO[str]", process.stdout).readline().strip() for _ in (*SCHEMES.values(), *MQTT)
        ]
        yield {url.partition(":")[0]: url for url in urls}
