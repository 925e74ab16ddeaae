"""Starting somebody else's application, in its own environment and folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.checkup.target import Manner, Target, TargetError
from sandbox.checkup.witness_log import UP, WitnessLog
from sandbox.processes.servers import ARGUMENTS, ServerError, free_port, listening

WITNESS = "checkup_witness"
OURS = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
"""Variables that would make another application take this project's settings."""
SHOWN_LINES = 8


@dataclass(frozen=True, slots=True)
class Application:
    """An ASGI application that is not running."""

    name: str
    """As servers take it: ``mysite.asgi:application``."""
    path: str
    """The URL path of its consumer."""
    python: str
    """The interpreter of its environment."""
    folder: Path


def started(
    application: Application, server: str, manner: Manner
) -> AbstractContextManager[Target]:
    """Run an application on a server until the block ends. Raises TargetError, some at once."""
    _check(application, server)
    return _running(application, server, manner)


@contextmanager
def _running(application: Application, server: str, manner: Manner) -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copy(Path(__file__).with_name("witness.py"), folder / f"{WITNESS}.py")
        witness = WitnessLog(folder / "report")
        environment = {
            "CHECKUP_APP": application.name,
            "CHECKUP_REPORT": str(witness.path),
            "PYTHONPATH": place,
            "PYTHONUNBUFFERED": "1",
        }
        port = free_port()
        arguments = [argument.format(port=port) for argument in ARGUMENTS[server]]
        command = [
            *(application.python, "-m", server, *arguments),
            f"{WITNESS}:application",
        ]
        request = f"GET {UP} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        try:
            with listening(
                server,
                command,
                port,
                request.encode(),
                environment=environment,
                without=OURS,
                folder=application.folder,
            ) as running:
                versions = witness.versions()
                yield Target(
                    f"ws://127.0.0.1:{port}{application.path}",
                    manner,
                    server,
                    tuple(versions.items()),
                    witness,
                    running.log,
                )
        except ServerError as error:
            raise TargetError(_why(application, witness, error)) from error


def _why(application: Application, witness: WitnessLog, error: ServerError) -> str:
    if failed := witness.import_error():
        return f"{application.name} does not import: {failed.words} ({failed.place})."
    first, *log = str(error).splitlines()
    return "\n".join([first, *log[-SHOWN_LINES:]])


def _check(application: Application, server: str) -> None:
    """See that there is an environment with that server. Raises TargetError."""
    if server not in ARGUMENTS:
        raise TargetError(f"There is no server {server!r}: choose from {', '.join(ARGUMENTS)}.")
    if not application.folder.is_dir():
        raise TargetError(f"{application.folder} is not a folder.")
    find = "import importlib.util, sys; sys.exit(not importlib.util.find_spec(sys.argv[1]))"
    try:
        done = subprocess.run(  # noqa: S603 # the user names the interpreter
            [application.python, "-c", find, server],
            cwd=application.folder,
            env=without_ours(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or error
        raise TargetError(f"{application.python} does not run: {reason}.") from error
    if done.returncode:
        raise TargetError(
            f"{application.python} has no {server}: install it there, or choose another --server."
        )


def without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in OURS}


def interpreter(folder: Path) -> str:
    """Return the Python of a virtual environment in a folder, else the one that runs this."""
    own = folder / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable
