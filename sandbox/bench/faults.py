"""Two servers that share a Redis and a database, and what can befall them and their clients."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import uniform
from typing import Self

import redis.asyncio

from sandbox.bench.cores import starting_on_all_cores
from sandbox.bench.members import Member
from sandbox.bench.testbed import started
from sandbox.processes.environments import Environment
from sandbox.processes.migration import migrate
from sandbox.processes.redis import Redis
from sandbox.processes.servers import Server, free_port

DROP_SECONDS = 2.0
"""Each client loses its connection once in each period of so long."""
REDIS_DOWN_SECONDS = 1.0
LINK_CUTS = 3
FAULTS_END = 0.9
"""The share of the messages after which no fault begins: the others show who is back."""


class Instance:
    """A server that can be ended and started again on its port. Its methods block."""

    def __init__(
        self, server: str, environment: Mapping[str, str], venv: Environment | None = None
    ) -> None:
        self.port = free_port()
        self._start = partial(
            started,
            server,
            environment=environment,
            venv=venv,
            port=self.port,
            starting=starting_on_all_cores,
        )
        self._stack = ExitStack()
        self._running: Server

    def start(self) -> None:
        """Start it and wait until it answers. Raises ServerError."""
        self._running = self._stack.enter_context(self._start())

    def end(self) -> None:
        """End it as an update does: SIGTERM, and SIGKILL if it has not ended in time."""
        self._stack.close()

    def kill(self) -> None:
        """End it as a crash does."""
        os.killpg(self._running.process.pid, signal.SIGKILL)
        self._stack.close()


async def in_thread(job: Callable[[], None]) -> None:
    """Do what blocks, to its end also when it is cancelled: no server may start unnoticed."""
    task = asyncio.ensure_future(asyncio.to_thread(job))
    try:
        await asyncio.shield(task)
    finally:
        await task


class Deployment:
    """Two servers that are ready for a room, until the block ends. Raises ServerError."""

    def __init__(self, server: str, venv: Environment | None = None) -> None:
        self._server = server
        self._venv = venv
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            with starting_on_all_cores():
                self.redis = stack.enter_context(Redis())
            environment = {
                "DATABASE_URL": f"sqlite:///{Path(folder) / 'db.sqlite3'}",
                "REDIS_URL": self.redis.url,
            }
            self.instances = [Instance(self._server, environment, self._venv) for _ in range(2)]
            for instance in self.instances:
                stack.callback(instance.end)
            with ThreadPoolExecutor() as threads:
                jobs = [threads.submit(instance.start) for instance in self.instances]
                jobs.append(threads.submit(migrate, environment["DATABASE_URL"], venv=self._venv))
                for job in jobs:
                    job.result()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()


Reached = Callable[[float], Awaitable[None]]
"""Waits until a share of the messages has been published."""


async def nothing(_deployment: Deployment, _members: Sequence[Member], _reached: Reached) -> None:
    pass


async def drops(_deployment: Deployment, members: Sequence[Member], reached: Reached) -> None:
    async def drop(member: Member) -> None:
        while True:
            moment = uniform(0, DROP_SECONDS)  # noqa: S311 # no secret
            await asyncio.sleep(moment)
            member.reset()
            await asyncio.sleep(DROP_SECONDS - moment)

    dropping = asyncio.gather(*(drop(member) for member in members))
    try:
        await asyncio.sleep(DROP_SECONDS)
        await reached(FAULTS_END)
    finally:
        dropping.cancel()
        with suppress(asyncio.CancelledError):
            await dropping


async def deploy(deployment: Deployment, _members: Sequence[Member], reached: Reached) -> None:
    await _replace_each(deployment, reached, Instance.end)


async def crash(deployment: Deployment, _members: Sequence[Member], reached: Reached) -> None:
    await _replace_each(deployment, reached, Instance.kill)


async def _replace_each(
    deployment: Deployment, reached: Reached, end: Callable[[Instance], None]
) -> None:
    for number, instance in enumerate(deployment.instances, 1):
        await reached(FAULTS_END * number / (len(deployment.instances) + 1))
        await in_thread(partial(end, instance))
        await in_thread(instance.start)


async def redis_restart(
    deployment: Deployment, members: Sequence[Member], reached: Reached
) -> None:
    await reached(FAULTS_END / 2)
    await in_thread(deployment.redis.kill)
    for member in members:
        member.be_away()
    await asyncio.sleep(REDIS_DOWN_SECONDS)
    await in_thread(deployment.redis.start)


async def link_cut(deployment: Deployment, members: Sequence[Member], reached: Reached) -> None:
    async with redis.asyncio.Redis.from_url(deployment.redis.url) as client:
        for number in range(1, LINK_CUTS + 1):
            await reached(FAULTS_END * number / (LINK_CUTS + 1))
            await client.client_kill_filter(_type="pubsub")
            for member in members:
                member.be_away()


@dataclass(frozen=True, slots=True)
class Fault:
    sentence: str
    strike: Callable[[Deployment, Sequence[Member], Reached], Awaitable[None]]
    """Returns when it is over, which the last messages wait for."""


FAULTS = {
    "no fault": Fault("Nothing fails: the run to compare the others with.", nothing),
    "drops": Fault(
        f"Each client's TCP connection is reset every {DROP_SECONDS:g} s, at a random moment.",
        drops,
    ),
    "deploy": Fault("Each server is ended with SIGTERM and replaced, in turn.", deploy),
    "crash": Fault("Each server is ended with SIGKILL and replaced, in turn.", crash),
    "Redis restart": Fault(
        f"Redis is killed, and started again after {REDIS_DOWN_SECONDS:g} s.", redis_restart
    ),
    "link cut": Fault(
        f"Redis ends the servers' subscriptions {LINK_CUTS} times: CLIENT KILL TYPE pubsub.",
        link_cut,
    ),
}
"""By name, in the order in which they are shown."""
