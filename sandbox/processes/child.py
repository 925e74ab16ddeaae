"""Starting a program so that it, and all that it starts, ends with the block that needs it."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

SHUTDOWN_SECONDS = 5.0


@contextmanager
def child(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """Run a program until the block ends, however it ends. ``options`` are those of ``Popen``.

    The program gets a process group of its own, so that Ctrl-C in a terminal reaches only us.
    """
    with ExitStack() as stack:
        with _signals_deferred():
            process = subprocess.Popen(command, start_new_session=True, **options)  # noqa: S603 # the commands are ours
            stack.enter_context(process)
            stack.callback(stop, process)
        yield process


@contextmanager
def logged(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Run a program without input until the block ends; give it, and the file of what it prints."""
    with tempfile.TemporaryDirectory() as place:
        log_file = Path(place) / "log"
        with (
            log_file.open("wb") as log,
            child(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            yield process, log_file


def stop(process: "subprocess.Popen[Any]") -> None:
    """End a child and all that it started: politely, then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


@contextmanager
def terminable() -> Iterator[None]:
    """Handle orders to end like Ctrl-C, so that no server is left behind."""
    previous = {number: signal.signal(number, _interrupt) for number in orders_to_end()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def orders_to_end() -> list[signal.Signals]:
    """SIGTERM, and SIGHUP for a terminal that has gone, unless ``nohup`` has it ignored."""
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM] if is_ignored else [signal.SIGTERM, signal.SIGHUP]


def _interrupt(_number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # a shell ignores SIGINT for what it runs in the background
        handler = signal.default_int_handler
    handler(signal.SIGINT, frame)


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Handle no signal between the start of a program and the registration of its end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled in the main thread only
        return
    received: list[int] = []
    previous = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, *orders_to_end())
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for missed in received:
            signal.raise_signal(missed)
