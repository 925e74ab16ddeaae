"""The cases of the Autobahn test suite, in a process of their own.

``kosoku`` brings them, and has to be alone: its stand-ins for modules of ``autobahn`` have the same
names as those that Daphne has loaded. Without an argument this prints every case as JSON. With
``run`` it reads cases, a line of JSON each, and writes what came of each, a line of JSON too.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from kosoku import FailureError, run_fuzzingclient

AT_ONCE = 8
OPCODES = {0: "cont", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


def list_cases() -> None:
    """Print the id, the chapter, the description and the expectation of each case."""
    # Only here: it takes a moment, and puts names such as "autobahn" in front of all others.
    from kosoku._report_assets import CaseCategories  # noqa: PLC0415
    from kosoku.cases import CASES  # noqa: PLC0415

    cases = [
        (case, CaseCategories[case.partition(".")[0]], kind.DESCRIPTION, kind.EXPECTATION)  # type: ignore[attr-defined] # of a case
        for case, kind in CASES.items()
    ]
    print(json.dumps(cases))  # noqa: T201 # what this process is for


async def run_cases() -> None:
    """Run what is asked for, until the one that asks has ended."""
    loop = asyncio.get_running_loop()
    requests = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    limits = {False: asyncio.Semaphore(AT_ONCE), True: asyncio.Semaphore(1)}
    async with asyncio.TaskGroup() as tasks:
        async for line in requests:
            request = json.loads(line)
            tasks.create_task(_run(limits[request.pop("alone")], **request))
        # At once: a thread of the suite may still be at work, and Python would abort.
        os._exit(0)


async def _run(limit: asyncio.Semaphore, number: int, url: str, case: str) -> None:
    async with limit:
        try:
            (result,) = await run_fuzzingclient(url, [case])
        except FailureError as failure:
            (result,) = failure.results
    answer = {
        "number": number,
        "passed": result.passed,
        "behavior": result.behavior.value,
        "close": result.behavior_close.value,
        "detail": f"{result.result} {result.result_close}".strip(),
        "frames": [
            (True, "handshake", len(result.http_request), result.http_request),
            (False, "handshake", len(result.http_response), result.http_response),
            *_frames(result.wirelog),
        ]
        if result.http_response
        else [],
    }
    print(json.dumps(answer), flush=True)  # noqa: T201 # what this process is for


def _frames(wire_log: Iterable[Any]) -> Iterable[tuple[bool, str, int, str]]:
    """Take of the suite's log the frames: whether sent, their kind, size and beginning."""
    for kind, *entry in wire_log:
        if kind in ("TF", "RF"):
            (size, payload), opcode, fin, reserved, *_ = entry
            name = OPCODES.get(opcode, f"opcode {opcode}")
            marks = f" RSV {reserved}" * bool(reserved) + " …" * (not fin)
            yield kind == "TF", name + marks, size, payload


if __name__ == "__main__":
    if sys.argv[1:] == ["run"]:
        asyncio.run(run_cases())
    else:
        list_cases()
