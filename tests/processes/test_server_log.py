"""Reading a server's log: which connections are open, and what was raised."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.processes.server_log import ServerLog

TRACEBACK = """\
Traceback (most recent call last):
  File "a.py", line 1, in a
    b()
ValueError: no
"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in a
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "b.py", line 1, in b
    | ValueError: no
    +------------------------------------
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "log"
    file.touch()
    return file


@pytest.fixture
def log(file: Path) -> Iterator[ServerLog]:
    log = ServerLog(file)
    yield log
    log.close()


def add(file: Path, text: str) -> None:
    with file.open("a") as log:
        log.write(text)


def test_a_connection_is_open_until_its_disconnect(file: Path, log: ServerLog) -> None:
    """A connect waits for the disconnect of the same client and path, read when it is written."""
    add(file, "12:00 127.0.0.1:5 /a/ connect\n12:00 127.0.0.1:5 /a/ receive\n12:00 Listening\n")
    assert log.unpaired() == {"127.0.0.1:5 /a/": 1}
    add(file, "12:00 127.0.0.1:5 /b/ connect\n12:00 127.0.0.1:5 /a/ disconnect 1000\n")
    assert log.unpaired() == {"127.0.0.1:5 /b/": 1}
    add(file, "12:00 127.0.0.1:5 /b/ disconnect\n")
    assert log.unpaired() == {}
    assert log.connects == 2


def test_an_end_without_a_beginning_is_unpaired(file: Path, log: ServerLog) -> None:
    """A disconnect alone counts below zero."""
    add(file, "12:00 127.0.0.1:5 /a/ disconnect 1006\n")
    assert log.unpaired() == {"127.0.0.1:5 /a/": -1}


def test_half_a_line_is_not_read(file: Path, log: ServerLog) -> None:
    """A line counts once it is complete."""
    add(file, "12:00 127.0.0.1:5 /a/ conn")
    assert log.unpaired() == {}
    add(file, "ect\n")
    assert log.unpaired() == {"127.0.0.1:5 /a/": 1}


def test_tracebacks_are_kept_whole(file: Path, log: ServerLog) -> None:
    """A traceback goes from its first line to the one that names the exception."""
    add(file, f"ERROR in application\n{TRACEBACK}12:00 127.0.0.1:5 /a/ connect\n{TRACEBACK}")
    assert log.unpaired() == {"127.0.0.1:5 /a/": 1}
    assert log.tracebacks == [TRACEBACK.strip()] * 2


def test_what_follows_an_exception_group_is_read(file: Path, log: ServerLog) -> None:
    """The last line of a group is indented, and the line after it is none of it."""
    add(file, f"{GROUP}12:00 127.0.0.1:5 /a/ connect\n")
    assert log.unpaired() == {"127.0.0.1:5 /a/": 1}
    (traceback,) = log.tracebacks
    assert traceback.splitlines()[-1] == "    | ValueError: no"
