"""The declared reasons are true: the exception that one names is found in the server's log."""

import asyncio
import re
import time

from consumers.catalogue import CATALOGUE
from sandbox.compare.differences import DIFFERENCES, UNCAUGHT, declared
from sandbox.compare.engine import Question, compare, questions
from sandbox.compare.observations import Observation, Response
from sandbox.compare.run import started

TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?: .*\n|\n)*(\S.*)$", re.MULTILINE)
MODULE = re.compile(r"^(\w+\.)+(?=\w+:)")


def is_crash(seen: Observation) -> bool:
    return seen in UNCAUGHT.values() or seen == Response(500)


def raising(exception: str) -> list[Question]:
    """Return the cells of which a row says that they end in that exception on Daphne."""
    return [
        (exhibit, probe)
        for exhibit, probe in questions(CATALOGUE)
        if (row := declared(probe.id, exhibit.id, "daphne")) and row.raises == exception
    ]


def exceptions(log: str) -> list[str]:
    """Return the last line of each traceback, without the exception's module."""
    return [MODULE.sub("", last) for last in TRACEBACK.findall(log)]


def test_the_exception_of_a_reason_is_the_one_in_the_log() -> None:
    """On Daphne each crash that a reason blames on an exception leaves that one in the log."""
    blamed = sorted({difference.raises for difference in DIFFERENCES} - {""})
    with started("daphne") as target:
        assert target.log is not None
        for exception in blamed:
            before = len(target.log())
            cells = asyncio.run(compare(target, raising(exception)))
            crashes = sum(is_crash(seen) for cell in cells for seen in cell.seen)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                found = exceptions(target.log()[before:])
                if len(found) >= crashes:
                    break
                time.sleep(0.05)

            assert {cell.verdict for cell in cells} == {"declared"}
            assert len(found) == crashes > 0
            assert [line for line in found if not line.startswith(exception)] == []


def test_a_row_names_the_exception_that_it_blames() -> None:
    """A row in which a tutorial crashes names its exception, in its reason too; no other does."""
    for difference in DIFFERENCES:
        crashes = [any(map(is_crash, seen)) for seen in difference.seen.values()]
        is_about_tutorials = all(one.startswith("tutorial/") for one in difference.exhibits)

        assert bool(difference.raises) == (is_about_tutorials and any(crashes)), difference.reason
        assert all(crashes) or not difference.raises, difference.reason
        assert difference.raises.partition(":")[0] in difference.reason
