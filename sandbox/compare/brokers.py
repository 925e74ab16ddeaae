"""Starting the exhibits of devices: a broker, and the protocol server that answers them."""

import asyncio
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace

from consumers.catalogue import DEVICES, Exhibit
from sandbox.compare.probe import HI
from sandbox.compare.session import Session
from sandbox.mqtt.url import PORTS
from sandbox.processes.environments import Environment
from sandbox.processes.mosquitto import CONNECT, Mosquitto, find_mosquitto
from sandbox.processes.servers import STARTUP_SECONDS, Server, ServerError, listening

NAMES = ("mosquitto",)
"""What may be named as the server of exhibits that are topics."""
PROTOCOL_SERVER = ("manage.py", "mqtt")
ANSWER_SECONDS = 0.5
"""How long to wait for an answer before asking again: the subscription may not be there yet."""


@contextmanager
def serving(
    environment: Mapping[str, str] | None = None, venv: Environment | None = None
) -> Iterator[Server]:
    """Run a Mosquitto, and the protocol server on it, until the block ends. Raises ServerError."""
    with Mosquitto() as broker, answering(broker, environment, venv) as server:
        yield server


@contextmanager
def answering(
    broker: Mosquitto,
    environment: Mapping[str, str] | None = None,
    venv: Environment | None = None,
    program: Sequence[str] = PROTOCOL_SERVER,
) -> Iterator[Server]:
    """Run what answers devices on a broker until the block ends. Its URL is that of the broker.

    ``environment`` is added to this process's own variables; ``venv`` is where the ``program``
    runs, unless here. Raises ServerError.
    """
    venv = venv or Environment()
    command = [venv.python, *program]
    variables = {**(environment or {}), "MQTT_URL": broker.url}
    with listening("mosquitto", command, broker.port, CONNECT, environment=variables) as server:
        with ThreadPoolExecutor(1) as thread:  # an event loop may be running here
            thread.submit(asyncio.run, _wait_for_answers(broker.url, server)).result()
        yield replace(server, venv=venv, scheme="mqtt", version_of_its_own=_version())


async def _wait_for_answers(url: str, server: Server) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    for exhibit in DEVICES:
        while not await is_answered(exhibit, url):
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(
                    f"Nothing is answered on {exhibit.topic}. The log:\n{server.log()}"
                )


def has_url(url: str) -> bool:
    """Whether it is a broker's, as its scheme says."""
    return url.partition(":")[0] in PORTS


async def is_answered(exhibit: Exhibit, url: str) -> bool:
    """Ask once, whatever the answer is. Raises OSError."""
    async with Session(exhibit, url) as session:
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await session.ask(HI)
                return True
    return False


def _version() -> str:
    """The version of the Mosquitto that is started here."""
    command = [str(find_mosquitto()), "-h"]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # ours
    found = re.search(r"mosquitto version (\S+)", printed.stdout)
    return found[1] if found else ""
