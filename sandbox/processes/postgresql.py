"""Running a PostgreSQL server for as long as it is needed."""

import os
import shutil
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
    programs = find_postgresql()
    if programs is None:
        raise FileNotFoundError("There is no PostgreSQL on PATH or in Debian's folder.")
    # PostgreSQL refuses to run as root.
    user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        data.mkdir()
        if user:
            shutil.chown(data, "postgres")
        subprocess.run(  # noqa: S603 # the command is ours
            [f"{programs}/initdb", "-D", str(data), "-A", "trust", "-U", "sandbox", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            **user,
        )
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "max_connections": max_connections,
            "unix_socket_directories": data,
            "fsync": "off",
        }
        settings = [f"-c{name}={value}" for name, value in options.items()]
        with child(
            [f"{programs}/postgres", "-D", str(data), *settings],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **user,
        ) as process:
            _wait_until_it_answers(programs, process, port)
            yield f"postgres://sandbox@127.0.0.1:{port}/postgres"


def _wait_until_it_answers(programs: Path, process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    is_ready = [f"{programs}/pg_isready", "--quiet", "--host=127.0.0.1", f"--port={port}"]
    while subprocess.run(is_ready, check=False).returncode:  # noqa: S603 # the command is ours
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError("PostgreSQL did not start.")
        time.sleep(0.05)
