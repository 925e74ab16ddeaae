"""What a server's log says of its connections, read as it grows."""

import re
from collections import Counter
from pathlib import Path

from sandbox.processes.servers import ROOT

EVENT = re.compile(r"(\S+:\S+ /\S*) (connect|disconnect)(?: \d+)?$")
"""A line of the connection log: which client, which path, and what happened."""
TRACEBACK = "Traceback (most recent call last):"
END_OF_GROUP = re.compile(r"\s+\+-+$")
"""The last line of an ExceptionGroup, which is indented and says nothing."""


class ServerLog:
    """The connections that have begun and not ended, and the tracebacks, so far."""

    def __init__(self, path: Path) -> None:
        self._file = path.open(errors="replace")
        self._partial = ""
        self._traceback: list[str] = []
        self._open: Counter[str] = Counter()
        self.connects = 0
        self.tracebacks: list[str] = []
        """Each from its first line to the one that names the exception."""

    def close(self) -> None:
        self._file.close()

    def unpaired(self) -> dict[str, int]:
        """Count connects without a disconnect, or below zero the reverse, by client and path."""
        for line in self._file:
            self._partial += line
            if line.endswith("\n"):
                self._take(self._partial.rstrip("\n"))
                self._partial = ""
        return dict(self._open)

    def _take(self, line: str) -> None:
        if self._traceback:
            ends = END_OF_GROUP.match(line)
            if not ends:
                self._traceback.append(line)
            if ends or not line.startswith((" ", "\t")):
                self.tracebacks.append("\n".join(self._traceback))
                self._traceback = []
        elif TRACEBACK in line:
            self._traceback = [line]
        elif event := EVENT.search(line):
            client, what = event.groups()
            self.connects += what == "connect"
            self._open[client] += 1 if what == "connect" else -1
            if not self._open[client]:
                del self._open[client]


def is_ours(traceback: str) -> bool:
    """Whether the exception was raised by code of this project."""
    *_, innermost = [line for line in traceback.splitlines() if 'File "' in line] or [""]
    folders = [f'"{ROOT / name}/' for name in ("consumers", "routing", "sandbox")]
    return any(folder in innermost for folder in folders)
