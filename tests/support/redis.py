"""A Redis of our own, which a test may kill."""

import socket
import subprocess
import time

from sandbox.processes.servers import free_port

STARTUP_SECONDS = 20.0


class Redis:
    """A server on a free loopback port, which keeps its port when it is started again."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, empty, and wait until it answers."""
        options = ("--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly")
        self.process = subprocess.Popen(
            [self.command, *options, "no"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + STARTUP_SECONDS
        while not self._answers():
            assert self.process.poll() is None, f"{self.command} ended before it answered."
            assert time.monotonic() < deadline, f"{self.command} does not answer."
            time.sleep(0.02)

    def kill(self) -> None:
        """End at once, without a word to anybody."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False
