"""``workers``: what an answer costs that another process gives: a worker, a bot, or the bridge."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from tempfile import TemporaryDirectory
from typing import ClassVar

from django.utils.crypto import get_random_string

from consumers.catalogue import BOTS, CATALOGUE, WORKERS
from consumers.contract import Request, answer, encode
from sandbox.bench.client import Connection, connect, disconnect, ignore_loss, ignore_reply
from sandbox.bench.cores import starting_several_processes
from sandbox.bench.exhibits import Exhibit, rotated
from sandbox.bench.experiment import (
    Experiment,
    Row,
    Step,
    errors_in,
    grouped,
    latency_of,
    shares,
)
from sandbox.bench.load import Sample, by_turns, closed_loop, first_reply, request
from sandbox.bench.output.charts import Bar, Bars
from sandbox.bench.output.table import Column, latency_columns, many, milliseconds, share_columns
from sandbox.bench.plan import SMALL, Plan
from sandbox.bench.spread import Latency, Spread, spread
from sandbox.bench.testbed import Testbed, UnmeasurableError, started
from sandbox.processes.mosquitto import NO_PROGRAM, find_mosquitto
from sandbox.processes.redis import Redis
from sandbox.processes.worker import working

ECHO, ROOM = "echo/async-json-websocket", "rooms/async-websocket"
"""The baselines: what answers in the server's own process."""
MOST_CLIENTS = 100
"""As many requests may wait for a worker, and as many rooms has the bridge."""
BRIDGE = "mqtt/bridge"
COMMAND = "/echo "
ATTEMPT_SECONDS = 0.5
"""How long to wait for a message through the bridge before another one is sent."""
BRIDGE_SECONDS = 30.0
PATHS = {one.id: one.url_in for one in CATALOGUE}
WHAT = {ECHO: "an echo", ROOM: "a message in a room"}


class WorkersRow(Row, frozen=True, kw_only=True):
    """``workers``: one message in flight on each connection, answered by another process."""

    baseline: str
    connections: int
    per_second: Spread
    """Answers, to all connections together."""
    share_of_baseline: Spread
    """Of each single round: the two had their turns in the same seconds."""
    latency: Latency


@dataclass(frozen=True, slots=True)
class Way:
    """Where clients connect, and who answers them."""

    baseline: str
    exhibit: str
    query: str = ""
    bot: str = ""
    from_device: bool = False
    to_device: bool = False

    @property
    def has_bridge(self) -> bool:
        return self.from_device or self.to_device

    @property
    def room(self) -> str:
        """How the names of its rooms begin, which are known before; empty if any will do."""
        return "bridge" if self.has_bridge else self.bot


WAYS = {
    ECHO: Way(ECHO, ECHO),
    **{
        f"worker/{name}": Way(ECHO, "worker/async-json-websocket", f"?worker={name}")
        for name in WORKERS
    },
    ROOM: Way(ROOM, ROOM),
    **{f"bot/{name.removeprefix('bot-')}": Way(ROOM, ROOM, bot=name) for name in BOTS},
    f"{BRIDGE}-to-members": Way(ROOM, ROOM, from_device=True),
    f"{BRIDGE}-to-devices": Way(ROOM, ROOM, to_device=True),
}


class Through:
    """Sends on one connection, and has for replies what comes on another one."""

    def __init__(self, sender: Connection, hearer: Connection, prefix: bytes = b"") -> None:
        self.on_reply: Callable[[bytes], None] = ignore_reply
        self.on_lost: Callable[[], None] = ignore_loss
        self.send = sender.send
        self._both, self._prefix = (sender, hearer), prefix
        hearer.on_reply = self._hear
        for one in self._both:
            one.on_lost = self._lose

    def _hear(self, message: bytes) -> None:
        if message.startswith(self._prefix):  # what a bot answers is not all that it hears
            self.on_reply(message)

    def _lose(self) -> None:
        self.on_lost()

    def close(self) -> None:
        for one in self._both:
            one.close()


class Deployment:
    """Opens connections to a running server, and to a broker, if there is one."""

    def __init__(self, server: str, broker: str) -> None:
        self._server, self._broker = server, broker
        self._numbers = count()

    async def client(self, way: Way, number: int) -> Connection:
        """Open one of a way, in a room of its own. Raises UnmeasurableError."""
        room = f"{way.room}-{number}" if way.room else f"room-{next(self._numbers)}"
        member = await self.opened(f"{self._server}{PATHS[way.exhibit](room)}{way.query}")
        if way.bot:
            return Through(member, member, b'{"message":{"bot":')
        if not way.has_bridge:
            return member
        device = await self.opened(f"{self._broker}/sandbox/rooms/{room}")
        return Through(device, member) if way.from_device else Through(member, device)

    @staticmethod
    async def opened(url: str) -> Connection:
        connections, refused = await connect(url, 1)
        if refused:
            raise UnmeasurableError(f"a connection to {url} was refused.")
        return connections[0]

    async def bridged(self, way: Way, number: int) -> None:
        """Wait until a way works, and nothing is on it any more. Raises UnmeasurableError."""
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        client = await self.client(way, number)
        client.on_reply = heard.put_nowait
        try:
            async with asyncio.timeout(BRIDGE_SECONDS):
                for attempt in count():
                    client.send(sent := encode(answer(Request(attempt))).encode())
                    with suppress(TimeoutError):
                        async with asyncio.timeout(ATTEMPT_SECONDS):
                            while await heard.get() != sent:
                                pass
                        return
        except TimeoutError:
            raise UnmeasurableError("no message came through the bridge.") from None
        finally:
            await disconnect([client])


class Workers(Experiment[WorkersRow]):
    """A server, a worker, Redis, and a broker with the bridge; a baseline takes turns with each."""

    row = WorkersRow
    by_default = False
    needs_redis = True
    turns: dict[tuple[int, str], list[tuple[Sample, Sample]]]
    columns = (
        Column("per second", lambda row: f"{row.per_second.median:,.0f}"),
        *share_columns("share of baseline", lambda row: row.share_of_baseline),
        *latency_columns("p50", "p99"),
    )

    SLICES: ClassVar[int] = 2

    def __init__(self, testbed: Testbed, plan: Plan) -> None:
        super().__init__(testbed, plan)
        self._deployment: Deployment | None = None

    @classmethod
    def usual(cls, plan: Plan) -> list[Exhibit]:  # noqa: ARG003 # it has ways of its own
        return []

    def ways(self) -> list[str]:
        return [name for name, way in WAYS.items() if find_mosquitto() or not way.has_bridge]

    def connections(self) -> list[int]:
        return sorted({min(number, MOST_CLIENTS) for number in self.plan.connections})

    def steps(self) -> Iterator[Step]:
        for connections in self.connections():
            for number in range(self.plan.rounds):
                for name in rotated(self.ways(), number):
                    yield Step(
                        f"workers: {name}, {many(connections, 'connection')}",
                        name,
                        2 * (self.plan.seconds * 4 / 3 + connections / 300),
                        partial(self.turn, name, connections),
                    )

    async def turn(self, name: str, connections: int) -> None:
        deployment = self._deployment = self._deployment or await self.deployed()
        way = WAYS[name]
        async with AsyncExitStack() as stack:
            loads = [
                await stack.enter_async_context(self.load(deployment, one, connections))
                for one in (WAYS[way.baseline], way)
            ]
            baseline, own = await by_turns(loads, self.SLICES)
        self.turns[connections, name].append((own, baseline))

    @asynccontextmanager
    async def load(
        self, deployment: Deployment, way: Way, clients: int
    ) -> AsyncIterator[Callable[[], Awaitable[Sample]]]:
        """Connect so many clients; give what asks them all for a slice of a turn."""
        payload, expected = question(way)
        connections: list[Connection] = []
        try:
            for number in range(clients):
                connections.append(await deployment.client(way, number))  # noqa: PERF401 # so that those before one that fails are closed
            first = (first_reply(one, payload, expected) for one in connections)
            echo, *_ = await asyncio.gather(*first)
            yield partial(closed_loop, connections, payload, echo, self.plan.seconds / self.SLICES)
        finally:
            await disconnect(connections)

    async def deployed(self) -> Deployment:
        """Start it all; it ends with the testbed. Raises ServerError."""
        start = self.testbed.lasting.enter_context
        clients = max(self.connections())
        folder = start(TemporaryDirectory())
        with starting_several_processes():
            own_redis = start(Redis())
        environment = {
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "DEBUG": "0",  # while debugging, Django keeps the queries of each connection
            "LOG_LEVEL": "WARNING",
            "MQTT_ROOMS": ",".join(f"bridge-{number}" for number in range(clients)),
            "REDIS_URL": own_redis.url,
            "SECRET_KEY": get_random_string(50),
        }
        venv, starting = self.testbed.venv, starting_several_processes
        server = start(
            started(
                self.testbed.server,
                environment=environment,
                migrated=True,
                venv=venv,
                starting=starting,
            )
        )
        with closing(sqlite3.connect(f"{folder}/db.sqlite3")) as database, database:
            database.executemany(
                "INSERT INTO bot_invitation (bot, room) VALUES (?, ?)",
                [(bot, f"{bot}-{number}") for bot in BOTS for number in range(clients)],
            )
        with starting():
            start(working([*WORKERS, *BOTS], environment, venv))
        if not find_mosquitto():
            return Deployment(f"ws://127.0.0.1:{server.port}", "")
        broker = start(started("mosquitto", environment=environment, venv=venv, starting=starting))
        deployment = Deployment(
            f"ws://127.0.0.1:{server.port}", f"mqtt-qos1://127.0.0.1:{broker.port}"
        )
        for number in range(clients):
            await deployment.bridged(WAYS[f"{BRIDGE}-to-members"], number)
        return deployment

    def rows(self) -> list[WorkersRow]:
        return [
            WorkersRow(
                server=self.testbed.column,
                exhibit=name,
                baseline=WAYS[name].baseline,
                connections=connections,
                per_second=spread([own.per_second for own, _ in turns]),
                share_of_baseline=shares([(own.per_second, it.per_second) for own, it in turns]),
                latency=latency_of([own for own, _ in turns]),
                errors=errors_in([own for own, _ in turns]),
            )
            for connections in self.connections()
            for name in WAYS
            if (turns := self.turns[connections, name])
        ]

    def notes(self) -> Iterator[str]:
        yield (
            "workers: the server, the worker, Redis and the bridge share all cores but that of the "
            "client and the broker. Each client of a bot or of the bridge is in a room of its own. "
            "Each command reaches both bots, and each looks up whether it is invited."
        )

    def warnings(self) -> Iterator[str]:
        if not find_mosquitto():
            yield f"The bridge was not measured: {NO_PROGRAM}"

    @staticmethod
    def title(row: WorkersRow) -> str:
        return (
            f"{WHAT[row.baseline]} with and without another process, {many(row.connections, 'connection')}, "
            f"{row.server}"
        )

    @classmethod
    def charts(cls, rows: Sequence[WorkersRow]) -> Iterator[Bars]:
        for (connections, baseline), group in grouped(
            rows, lambda row: (row.connections, row.baseline)
        ):
            yield Bars(
                f"{WHAT[baseline].capitalize()}, with and without another process: "
                f"{many(connections, 'connection')}",
                f"Answers a second, with one message in flight on each connection; {baseline} "
                "needs no other process. The thin line spans the single rounds.",
                [
                    Bar(
                        row.exhibit,
                        row.per_second.median,
                        f"{row.per_second.median:,.0f}",
                        f"p50 {milliseconds(row.latency, 'p50')} ms, "
                        f"p99 {milliseconds(row.latency, 'p99')} ms",
                        row.per_second,
                    )
                    for row in group
                ],
            )


def question(way: Way) -> tuple[bytes, object]:
    """Give what a client of a way sends, and the message of the answer to it."""
    payload = request(SMALL)
    text: str = json.loads(payload)["message"]
    if not way.bot:
        return payload, text
    text = text.removeprefix("x" * len(COMMAND))  # as many bytes as the others
    payload = encode(answer(Request(COMMAND + text))).encode()
    return payload, {"bot": way.bot, "text": text}
