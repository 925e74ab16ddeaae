"""Running a PostgreSQL server for as long as it is needed."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.processes.child import child
from sandbox.processes.servers import free_port

STARTUP_SECONDS = 30.0
PROGRAMS = ("initdb", "postgres", "pg_isready")
DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian puts the programs of each version; they are not on PATH."""
OTHER_CLIENTS = """
    select count(*) from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid()
"""
"""The query that counts the clients of a server, without the one that asks."""


def find_postgresql() -> Path | None:
    """Find the folder of its programs: on PATH, else the newest of Debian's."""
    on_path = [Path(path).parent for name in PROGRAMS if (path := shutil.which(name))]
    debian = sorted(DEBIAN.glob("*/bin"), key=lambda path: path.parts[-2], reverse=True)
    for folder in (*on_path, *debian):
        if all((folder / name).exists() for name in PROGRAMS):
            return folder
    return None


@contextmanager
def postgresql(max_connections: int = 100) -> Iterator[str]:
    """Run a new, empty server on a free loopback port; yield its URL.

    Raises FileNotFoundError where there is no PostgreSQL, TimeoutError where it does not start.
    """
    with cluster(max_connections) as stopped, stopped.running():
        yield stopped.url


@contextmanager
def cluster(max_connections: int = 100) -> Iterator["Cluster"]:
    """Make a new, empty cluster that does not run yet. Raises FileNotFoundError."""
    programs = find_postgresql()
    if programs is None:
        raise FileNotFoundError("There is no PostgreSQL on PATH or in Debian's folder.")
    with tempfile.TemporaryDirectory() as folder:
        yield Cluster(programs, Path(folder), max_connections)


class Cluster:
    """A database that can be started again and again, with the same data on the same port."""

    def __init__(self, programs: Path, folder: Path, max_connections: int) -> None:
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        # PostgreSQL refuses to run as root.
        self._user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
        self._port = free_port()
        self._max_connections = max_connections
        folder.chmod(0o755)
        self._data.mkdir()
        if self._user:
            shutil.chown(self._data, "postgres")
        initdb = f"{programs}/initdb"
        subprocess.run(  # noqa: S603 # the command is ours
            [initdb, "-D", str(self._data), "-A", "trust", "-U", "sandbox", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            **self._user,
        )

    @property
    def url(self) -> str:
        return f"postgres://sandbox@127.0.0.1:{self._port}/postgres"

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the server until the block ends. Raises TimeoutError."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "max_connections": self._max_connections,
            "unix_socket_directories": self._data,
            "fsync": "off",
        }
        settings = [f"-c{name}={value}" for name, value in options.items()]
        with child(
            [f"{self._programs}/postgres", "-D", str(self._data), *settings],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._user,
        ) as process:
            self._wait_until_it_answers(process)
            yield process
            process.send_signal(signal.SIGINT)  # SIGTERM would wait until all clients have gone
            process.wait(STARTUP_SECONDS)

    def _wait_until_it_answers(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + STARTUP_SECONDS
        is_ready = [f"{self._programs}/pg_isready", "-q", "-h127.0.0.1", f"-p{self._port}"]
        while subprocess.run(is_ready, check=False).returncode:  # noqa: S603 # the command is ours
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError("PostgreSQL did not start.")
            time.sleep(0.05)
