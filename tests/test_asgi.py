"""The ASGI application as a whole."""

import subprocess
import sys

from sandbox.processes.servers import ROOT


def test_collections_skip_what_was_loaded() -> None:
    """The application takes what it has loaded out of all later garbage collections."""
    code = "import gc, sandbox.asgi; print(gc.get_freeze_count(), len(gc.get_objects()))"
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    frozen, still_looked_at = map(int, printed.split())

    assert frozen > 10 * still_looked_at
