"""The Autobahn test suite: each of its cases is a probe, and runs in a process of the suite."""

import asyncio
import html
import importlib.util
import json
import re
import subprocess
import sys
from contextlib import ExitStack, closing
from functools import cache
from itertools import count
from typing import Any, Self

from sandbox.processes.child import child

PACKAGE = "kosoku"
COMMAND = (sys.executable, "-m", "sandbox.compare.autobahn_process")
LONGEST_LINE = 2**24


class MissingSuiteError(Exception):
    """The suite is not installed; the message says how to install it."""


@cache
def listed() -> list[tuple[str, str, str, str]]:
    """Each case: its id, the name of its chapter, what it does and what it expects.

    Raises MissingSuiteError.
    """
    if not importlib.util.find_spec(PACKAGE):
        raise MissingSuiteError(
            "The Autobahn test suite is not installed: pip install -e '.[autobahn]' brings it."
        )
    done = subprocess.run(COMMAND, capture_output=True, check=True)  # noqa: S603 # it is ours
    return [
        (case, chapter, _plain(description), _plain(expectation))
        for case, chapter, description, expectation in json.loads(done.stdout)
    ]


def _plain(text: str) -> str:
    """Make sentences of a text of the suite, which has line breaks and tags in it."""
    words = " ".join(html.unescape(re.sub("<[^>]+>", " ", text)).split())
    return words if words.endswith(".") else words + "."


class Suite:
    """The process in which cases run, from the first one on. Close it with ``async with``."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._reading:
            self._reading.cancel()
        self._stack.close()

    async def run(self, url: str, case: str, *, alone: bool = False) -> dict[str, Any]:
        """Run a case against a ``ws:`` URL. Raises OSError if the process ends first."""
        if self._process is None:
            self._process = self._stack.enter_context(
                child([*COMMAND, "run"], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            self._reading = asyncio.create_task(self._read(self._process))
        assert self._process.stdin is not None  # noqa: S101 # it is a pipe
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        request = {"number": number, "url": url, "case": case, "alone": alone}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        return await self._waiting[number]

    async def _read(self, process: "subprocess.Popen[bytes]") -> None:
        results = asyncio.StreamReader(limit=LONGEST_LINE)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(results), process.stdout
        )
        with closing(transport):
            async for line in results:
                result = json.loads(line)
                future = self._waiting.pop(result["number"])
                if not future.done():  # as one is for which its cell waits no longer
                    future.set_result(result)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(OSError("the process of the Autobahn suite has ended"))
