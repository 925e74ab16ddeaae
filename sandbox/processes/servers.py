"""Starting an ASGI server of this project on a free loopback port, for as long as it is needed."""

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sandbox.processes.child import child

ROOT = Path(__file__).resolve().parents[2]
STARTUP_SECONDS = 30.0

GRACE = "8"  # the seconds of routing/ending.py, where a request of Django goes on
ARGUMENTS: dict[str, list[str]] = {
    "daphne": ["-b", "127.0.0.1", "-p", "{port}"],
    "uvicorn": [
        *("--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning"),
        *("--timeout-graceful-shutdown", GRACE, "--no-proxy-headers"),
    ],
    "hypercorn": [
        *("--bind", "127.0.0.1:{port}", "--access-logfile", "/dev/null"),
        *("--graceful-timeout", GRACE, "--workers", "0"),  # a worker would not see SIGTERM
    ],
    "granian": [
        *("--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}"),
        *("--workers-kill-timeout", GRACE),
    ],
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
    application: str = "sandbox.asgi:application",
) -> Iterator[Server]:
    """Run a server until the block ends, however it ends.

    ``environment`` is added to this process's own. Raises ServerError.
    """
    if name not in ARGUMENTS:
        raise ServerError(f"There is no server {name!r}: choose from {', '.join(ARGUMENTS)}.")
    if name not in installed():
        raise ServerError(
            f"The server {name} is not installed: pip install -e '.[servers]' brings it."
        )
    port = port or free_port()
    arguments = [argument.format(port=port) for argument in ARGUMENTS[name]]
    command = [sys.executable, "-m", name, *arguments, application]
    request = f"HEAD / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    with listening(name, command, port, request, environment=environment) as server:
        yield server


@contextmanager
def listening(  # noqa: PLR0913 # all but the first say how the program is run
    name: str,
    command: Sequence[str],
    port: int,
    request: bytes,
    *,
    environment: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    folder: Path = ROOT,
) -> Iterator[Server]:
    """Run a program that listens on a loopback port, from its first answer to a request on.

    It inherits this process's environment but for the variables of ``without``. What it prints
    goes to a log file. Raises ServerError, with the log, if it does not answer.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    with tempfile.TemporaryDirectory() as place:
        log_file = Path(place) / "log"
        with (
            log_file.open("wb") as log,
            child(
                command,
                cwd=folder,
                env={**inherited, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            server = Server(name, port, process, log_file)
            _wait_for_answer(server, request)
            yield server


def _wait_for_answer(server: Server, request: bytes) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise ServerError(f"{server.name} ended before it answered. Its log:\n{server.log()}")
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
                connection.sendall(request)
                if connection.recv(65_536):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise ServerError(
        f"{server.name} did not answer within {STARTUP_SECONDS:g} s. Its log:\n{server.log()}"
    )
