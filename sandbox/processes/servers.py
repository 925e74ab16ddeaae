"""Starting an ASGI server of this project on a free loopback port, for as long as it is needed."""

import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STARTUP_SECONDS = 30.0
SHUTDOWN_SECONDS = 5.0

ARGUMENTS: dict[str, list[str]] = {
    "daphne": ["-b", "127.0.0.1", "-p", "{port}"],
    "uvicorn": ["--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning"],
    "hypercorn": ["--bind", "127.0.0.1:{port}", "--access-logfile", "/dev/null"],
    "granian": ["--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}"],
}
"""What follows ``python -m <server>``, before the application."""


class ServerError(Exception):
    """A server that is not installed, or that did not start; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def version(self) -> str:
        return version(self.name)

    def log(self) -> str:
        """All that the server and the application have printed so far."""
        return self.log_file.read_text(errors="replace")


def installed() -> list[str]:
    """Names of the servers that can be started here."""
    return [name for name in ARGUMENTS if importlib.util.find_spec(name)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(
    name: str = "daphne",
    *,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    application: str = "sandbox.asgi:application",
) -> Iterator[Server]:
    """Run a server until the block ends, whatever ends it.

    ``environment`` is added to this process's own, ``prefix`` goes before the command (such as
    ``("taskset", "-c", "0")``). Raises ServerError.
    """
    if name not in ARGUMENTS:
        raise ServerError(f"There is no server {name!r}: choose from {', '.join(ARGUMENTS)}.")
    if name not in installed():
        raise ServerError(
            f"The server {name} is not installed: pip install '.[servers]' brings it."
        )
    port = port or free_port()
    arguments = [argument.format(port=port) for argument in ARGUMENTS[name]]
    with tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder) / "log"
        with (
            log_file.open("wb") as log,
            child(
                [*prefix, sys.executable, "-m", name, *arguments, application],
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            server = Server(name, port, process, log_file)
            _wait_until_it_answers(server)
            yield server


@contextmanager
def child(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """Run a program, with all that it starts, until the block ends, whatever ends it.

    Ctrl-C at a terminal is for this process alone. ``options`` are those of ``Popen``.
    """
    with ExitStack() as stack:
        with _interrupted_later():
            process = subprocess.Popen(command, start_new_session=True, **options)  # noqa: S603 # the commands are ours
            stack.enter_context(process)
            stack.callback(_stop, process)
        yield process


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Let no signal come between the start of a program and the promise to end it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are for the main thread
        return
    came: list[int] = []
    previous = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for missed in came:
            signal.raise_signal(missed)


@contextmanager
def terminable() -> Iterator[None]:
    """Take an order to end (SIGTERM) like Ctrl-C, so that no server is left behind."""
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # as a shell leaves it to what it runs in the background
        handler = signal.default_int_handler
    handler(signal.SIGINT, frame)


def _wait_until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise ServerError(f"{server.name} ended before it answered. Its log:\n{server.log()}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            connection.request("HEAD", "/")
            connection.getresponse()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise ServerError(
        f"{server.name} did not answer within {STARTUP_SECONDS:g} s. Its log:\n{server.log()}"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    for end in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, end)
        except ProcessLookupError:
            break
        try:
            process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
