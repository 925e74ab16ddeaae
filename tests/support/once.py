"""A value that takes long to make, and that tests in several processes use."""

import fcntl
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")


def once(folders: pytest.TempPathFactory, name: str, make: Callable[[], T]) -> T:
    """Make the value in the process that needs it first; the others of a run wait and read it."""
    folder = folders.getbasetemp()
    if folder.name.startswith("popen-"):  # of one process of pytest-xdist
        folder = folder.parent
    file = Path(folder, f"{name}.pickle")
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_bytes(pickle.dumps(make()))
    value: T = pickle.loads(file.read_bytes())  # noqa: S301 # written by the lines above
    return value
