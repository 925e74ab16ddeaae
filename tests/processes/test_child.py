"""What is started here ends here, whatever happens."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.processes.child import child
from sandbox.processes.servers import ROOT


def test_a_program_ends_with_its_block() -> None:
    """A program runs while the block does, and has been waited for afterwards."""
    with child([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert process.poll() is None
    assert process.returncode == -signal.SIGTERM


def test_a_program_that_ignores_an_order_to_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After SIGTERM and some time comes SIGKILL."""
    monkeypatch.setattr("sandbox.processes.child.SHUTDOWN_SECONDS", 0.2)
    source = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True);"
        "input()"
    )
    command = [sys.executable, "-c", source]
    with child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
    assert process.returncode == -signal.SIGKILL


def test_a_signal_while_a_program_starts_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before the end of a program that was just started is registered ends it as well."""
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), child([sys.executable, "-c", "input()"], stdin=-1):
            pytest.fail("it was not interrupted")
    finally:
        signal.signal(signal.SIGINT, previous)

    assert [process.returncode for process in started] == [-signal.SIGTERM]


def processes_with(variable: str) -> list[int]:
    """Numbers of the processes that have this in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable in (folder / "environ").read_text(errors="replace"):
                found.append(int(folder.name))
        except OSError:  # it has ended, or is not ours
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="Processes are found in /proc.")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_an_interrupt_leaves_no_server(number: signal.Signals) -> None:
    """Ctrl-C in a run of compare, an order to end or a closed terminal stops the server too."""
    name, value = "PROCESSES_TEST", f"{os.getpid()}-{number.name}"
    marked = f"{name}={value}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "compare", "tutorial"],
        cwd=ROOT,
        env={**os.environ, name: value},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(processes_with(marked)) < 2:
        assert time.monotonic() < deadline, "it has started no server"
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted." in said
    assert "Traceback" not in said
    assert processes_with(marked) == []
