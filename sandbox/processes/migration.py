"""Making the tables in the database of a server that is about to be started."""

import os
import subprocess

from sandbox.processes.child import child
from sandbox.processes.environments import Environment
from sandbox.processes.servers import ROOT, ServerError


def migrate(database_url: str, *, venv: Environment | None = None) -> None:
    """Run ``manage.py migrate``. Raises ServerError, with what it says."""
    with child(
        [(venv or Environment()).python, "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        output, _ = process.communicate()
    if process.returncode:
        raise ServerError(f"The database could not be migrated:\n{output}")
