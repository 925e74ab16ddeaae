"""Making the tables in the database of a server that is about to be started."""

import os
import subprocess
import sys

from sandbox.processes.servers import ROOT


def migrate(database_url: str) -> None:
    """Run ``manage.py migrate``. Raises CalledProcessError, with what it says in ``stderr``."""
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        check=True,
        capture_output=True,
        text=True,
    )
