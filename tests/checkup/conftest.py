"""One checkup of each foreign consumer, all at the same time, for all tests here."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Thread
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from sandbox.checkup.application import Application, started
from sandbox.checkup.plan import Plan, plan
from sandbox.checkup.report import Patient, Report
from sandbox.checkup.run import check_up
from sandbox.checkup.target import Manner, Target
from sandbox.processes.servers import ROOT, Server, installed

CHAT = '{"action": "chat", "payload": {"message": "hi"}}'
FOREIGN: dict[str, tuple[str, str, str, Manner]] = {
    "chat": ("chat:application", "/ws/chat/lobby/", "daphne", Manner()),
    "actions": ("actions:application", "/ws/actions/", "uvicorn", Manner(CHAT)),
    "commands": (
        "actions:application",
        "/ws/commands/",
        "hypercorn",
        Manner('{"command": "join", "room": "1"}'),
    ),
    "starlette": ("plain:starlette", "/echo", "uvicorn", Manner(subprotocols=("chat",))),
    "dies": ("plain:dies", "/", "granian", Manner()),
    "silent": ("plain:silent", "/", "uvicorn", Manner("ping")),
    "blocks": ("plain:blocks", "/", "uvicorn", Manner(slow="sleep")),
    "overtakes": ("plain:overtakes", "/", "daphne", Manner("hi")),
    "exits": ("plain:exits", "/", "uvicorn", Manner()),
}
"""An application, a path, a server, and how it is spoken to."""


def application(name: str, path: str = "/") -> Application:
    return Application(f"tests.support.foreign.{name}", path, sys.executable, ROOT)


@pytest.fixture(scope="session")
def planned() -> Plan:
    return plan(Manner(), may_load=True)


@pytest.fixture(scope="session")
def websockets_echo() -> Iterator[str]:
    """The URL of an echo of the websockets library."""

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with echo_server(echo) as url:
        yield url


@contextmanager
def echo_server(handler: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    """Serve with the websockets library; give the URL. ``options`` are those of ``serve``."""
    quiet = logging.getLogger("checkup echo")  # a traceback for each client that vanishes
    quiet.setLevel(logging.CRITICAL)
    with serve(handler, "127.0.0.1", 0, logger=quiet, close_timeout=0.5, **options) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def patients(daphne: Server, websockets_echo: str, planned: Plan) -> dict[str, Patient]:
    """What was found of each, by name: the tutorial of this project is among them."""
    sources = {
        name: started(application(app, path), server, manner)
        for name, (app, path, server, manner) in FOREIGN.items()
        if server in installed()
    }
    with ExitStack() as stack, ThreadPoolExecutor(4) as starting:

        def start(source: AbstractContextManager[Target]) -> Target:
            return stack.enter_context(source)

        targets = dict(zip(sources, starting.map(start, sources.values()), strict=True))
        targets["tutorial"] = Target(f"ws://127.0.0.1:{daphne.port}/ws/chat/", Manner())
        targets["websockets"] = Target.of(websockets_echo, Manner())

        async def check_all() -> list[Patient]:
            return await asyncio.gather(*(check_up(one, planned) for one in targets.values()))

        return dict(zip(targets, asyncio.run(check_all()), strict=True))


@pytest.fixture(scope="session")
def report(patients: dict[str, Patient], planned: Plan) -> Report:
    """All of them in one report."""
    return Report("2026-01-01T00:00:00+00:00", 1.0, planned, tuple(patients.values()))
