"""Runs the ``application`` of the program that calls it, on a server and a free port."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OPTIONS = {
    "daphne": ["-b", "127.0.0.1", "-p"],
    "uvicorn": ["--lifespan", "off", "--port"],
    "hypercorn": ["--bind"],
    "granian": ["--interface", "asginl", "--port"],
}
SECONDS = 30.0


class Serving:
    """A running server. ``url`` is that of a WebSocket."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", log_file: Path) -> None:
        self.port, self.process, self.log_file = port, process, log_file
        self.url = f"ws://127.0.0.1:{port}/"

    def plain(self, sent: bytes = b"") -> socket.socket:
        """Return a TCP connection on which this has been sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        connection.sendall(sent)
        return connection

    def log(self) -> str:
        """What the server and the application have printed by now."""
        return self.log_file.read_text()

    def prints(self, text: str, seconds: float = SECONDS) -> bool:
        """Wait until that is in the log; return whether it is."""
        deadline = time.monotonic() + seconds
        while text not in self.log() and time.monotonic() < deadline:
            time.sleep(0.02)
        return text in self.log()


@contextmanager
def serving(server: str, *further: str) -> Iterator[Serving]:
    """Serve until the block ends; ``further`` are options of the server."""
    program = Path(sys.argv[0])
    show_versions(*sorted({program.stem.partition("_")[0], server}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = f"127.0.0.1:{port}" if server == "hypercorn" else str(port)
    command = [sys.executable, "-m", server, *further, *OPTIONS[server], where]
    with tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder) / "log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [*command, f"{program.stem}:application"],
                cwd=program.parent or None,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        running = Serving(port, process, log_file)
        try:
            _wait(running)
            yield running
        finally:
            with suppress(ProcessLookupError):  # it has ended
                os.killpg(process.pid, signal.SIGKILL)  # Granian has processes of its own
            process.wait()


def _wait(running: Serving) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return running.plain().close()
        except ConnectionRefusedError:
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(running.log()) from None
            time.sleep(0.05)


def show_versions(*names: str) -> None:
    """Print the versions of what is used; exit with what to do if it is not installed."""
    try:
        print(*(f"{name} {version(name)}" for name in names), sep=", ", file=sys.stderr)
    except PackageNotFoundError as error:
        raise SystemExit(
            f"{error.name} is not installed: .venv/bin/pip install -e '.[servers]'"
        ) from None


def handshake(*headers: str) -> bytes:
    """A WebSocket handshake as it goes over the wire, with further headers."""
    lines = [
        "GET / HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"
