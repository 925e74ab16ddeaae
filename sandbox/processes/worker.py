"""Starting ``manage.py runworker``, for as long as it is needed."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox.processes.child import logged
from sandbox.processes.environments import Environment
from sandbox.processes.servers import ROOT, STARTUP_SECONDS, ServerError


@contextmanager
def working(
    channels: Sequence[str], environment: Mapping[str, str], venv: Environment | None = None
) -> Iterator[Path]:
    """Run a worker that listens to these channels until the block ends; give its log.

    ``environment`` is added to this process's own variables; ``venv`` is where it runs, unless
    here. Raises ServerError, with the log, if it does not start.
    """
    command = [(venv or Environment()).python, "manage.py", "runworker", *channels]
    variables = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
    with logged(command, ROOT, variables) as (process, log):
        deadline = time.monotonic() + STARTUP_SECONDS
        while "Listening to" not in log.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(f"No worker has started. Its log:\n{log.read_text()}")
            time.sleep(0.05)
        yield log
