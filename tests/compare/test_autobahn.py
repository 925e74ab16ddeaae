"""The Autobahn suite: how its cases become probes, and what docs/autobahn.md says of them."""

import asyncio
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from consumers.catalogue import CATALOGUE, exhibits
from sandbox.compare import autobahn
from sandbox.compare.against import Earlier, Shown, against
from sandbox.compare.autobahn import Suite, listed
from sandbox.compare.differences import DIFFERENCES, EVERYWHERE, SERVERS
from sandbox.compare.engine import Target, questions
from sandbox.compare.output.words import in_words, reason
from sandbox.compare.probes import SUITES, table
from sandbox.compare.probes.autobahn import cases
from sandbox.compare.report import Place, Report
from sandbox.processes.servers import free_port, installed, serve

PREFIX = "autobahn-"
MIRRORS = exhibits("mirror")


def ranges(cases: list[str]) -> str:
    """Name cases in short: 9.3.1, 9.3.2 and 9.3.3 are 9.3.1-3, all of a chapter 12.*."""
    everything = [case for case, *_ in listed()]
    words = []
    for section, of_section in groupby(cases, key=lambda case: case.rpartition(".")[0]):
        numbers = [int(case.rpartition(".")[2]) for case in of_section]
        is_run = numbers == list(range(numbers[0], numbers[-1] + 1)) and numbers[1:]
        listed_numbers = ", ".join(f"{section}.{number}" for number in numbers)
        words.append(f"{section}.{numbers[0]}-{numbers[-1]}" if is_run else listed_numbers)
    for chapter in {case.partition(".")[0] for case in cases}:
        if [one for one in everything if one.startswith(f"{chapter}.")] == [
            one for one in cases if one.startswith(f"{chapter}.")
        ]:
            words = [word for word in words if not word.startswith(f"{chapter}.")]
            words.append(f"{chapter}.*")
    return ", ".join(sorted(words, key=lambda word: int(word.partition(".")[0])))


def answer() -> str:
    """Say how many cases each server passes: the first cell of its rows, and the second."""
    cells = [row.split(" | ") for row in rows()][2:]
    passed = {name[2:].strip("`"): count for name, count, *_ in cells}
    first, *others = (f"{server.capitalize()} {passed[server]}" for server in SERVERS)
    return f"Passed of the suite's {len(listed())} cases: {', '.join([first, *others])}."


def rows() -> Iterator[str]:
    """Write a row for each server and reason, from the declared differences."""
    yield f"| server | of {len(listed())} passed | not passed | why |"
    yield "|---|---|---|---|"
    order = {case: number for number, (case, *_) in enumerate(listed())}
    for server in EVERYWHERE:
        failed = [
            (
                difference,
                sorted(
                    (probe.removeprefix(PREFIX) for probe in difference.seen if PREFIX in probe),
                    key=order.__getitem__,
                ),
            )
            for difference in DIFFERENCES
            if server in difference.servers
            and not difference.packages  # what other versions do is in docs/versions.md
            and any(PREFIX in one for one in difference.seen)
        ]
        passed = len(order) - sum(len(cases) for _, cases in failed)
        name = f"`{server}`"
        if not failed:
            yield f"| {name} | {passed} | | |"
        for difference, its_cases in failed:
            link = f"([more]({difference.link}))" if difference.link else ""
            why = " ".join(filter(None, [difference.reason, difference.cure, link]))
            yield f"| {name} | {passed} | {ranges(its_cases)} | {why} |"
            name = passed = ""  # type: ignore[assignment] # a cell that stays empty


def test_each_case_is_a_probe_with_words_of_its_own() -> None:
    """A case has the suite's description for its sentence, and its chapter for its group."""
    probes = {probe.id: probe for probe in table("mirror") if probe.is_case}
    assert len(probes) == len(listed())
    assert probes["autobahn-2.4"].group == "Autobahn 2: Pings/Pongs"
    assert probes["autobahn-2.4"].sentence.startswith(
        "Send ping with binary payload of 125 octets."
    )
    for probe in probes.values():
        assert not re.search(r"</?\w+>|\s\s|\n", probe.sentence)


def test_heavy_chapters_run_only_when_they_are_named() -> None:
    """Limits, performance and compression take minutes: a run without names leaves them out."""
    usual = [probe for _, probe in questions(MIRRORS) if probe.is_case]
    chapters = {probe.id.removeprefix(PREFIX).partition(".")[0] for probe in usual}
    assert chapters == {"1", "2", "3", "4", "5", "6", "7", "10"}
    named = [probe.id for _, probe in questions(MIRRORS[:1], [f"{PREFIX}9.1.*"])]
    assert named == [f"{PREFIX}9.1.{number}" for number in range(1, 7)]


def test_a_case_has_its_wire_log(report: Report) -> None:
    """A cell of a case holds the suite's frames in both directions, from the handshake on."""
    (cell,) = (
        cell
        for cell in report.cells
        if (cell.exhibit, cell.probe) == ("mirror/websocket", f"{PREFIX}5.4")
    )
    assert [(event.sent, event.kind, event.excerpt) for event in cell.events[2:5]] == [
        (True, "text …", "fragment1"),
        (True, "cont", "fragment2"),
        (False, "text", "fragment1fragment2"),
    ]
    assert cell.events[0].excerpt.startswith("GET /mirror/websocket/ HTTP/1.1")
    assert (cell.events[2].size, cell.connections) == (9, 1)


def test_a_case_that_is_not_passed_says_why(report: Report) -> None:
    """What the suite says of a case that Daphne fails is in the cell."""
    (cell,) = (
        cell
        for cell in report.cells
        if (cell.exhibit, cell.probe) == ("mirror/asgi", f"{PREFIX}1.1.1")
    )
    assert cell.verdict == "declared"
    assert "empty message" in reason(cell)
    words = in_words(cell.seen, with_details=True)
    assert words.startswith("failed, close failed: Actual events differ from any expected.")


@pytest.mark.parametrize(
    ("server", "tracebacks"),
    [("uvicorn", 1), ("uvicorn-websockets", 0), ("uvicorn-wsproto", 0)],
)
@pytest.mark.skipif("uvicorn" not in installed(), reason="Uvicorn is not installed.")
def test_a_case_that_is_passed_may_leave_a_traceback(server: str, tracebacks: int) -> None:
    """Of Uvicorn's implementations one logs a traceback for a text that is not UTF-8."""

    async def case(url: str) -> dict[str, Any]:
        async with Suite() as suite:
            return await suite.run(f"{url}/mirror/asgi/", "6.3.1")

    with serve(server) as running:
        result = asyncio.run(case(running.url.replace("http", "ws")))
        assert result["passed"]
        assert running.log().count("UnicodeDecodeError: ") == tracebacks


def test_a_server_that_is_gone_is_said() -> None:
    """A case against nothing is no silence: the cell says that there was no connection."""

    async def case() -> dict[str, Any]:
        async with Suite() as suite:
            return await suite.run(f"ws://127.0.0.1:{free_port()}/", "1.1.2")

    result = asyncio.run(case())
    assert not result["passed"]
    assert "Connection refused" in result["detail"]


def test_a_case_that_is_given_up_costs_no_other() -> None:
    """A result for which its cell waits no longer does not keep later cases from theirs."""

    async def cases() -> list[dict[str, Any]]:
        url = f"ws://127.0.0.1:{free_port()}/"
        async with Suite() as suite:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await suite.run(url, "1.1.2")
            async with asyncio.timeout(60):
                return [await suite.run(url, "1.1.2") for _ in range(2)]

    assert len(asyncio.run(cases())) == 2


def test_a_suite_that_ends_fails_its_cases_only() -> None:
    """If the suite's process dies, all that wait for a case get an error at once."""

    async def case() -> None:
        async with Suite() as suite:
            waiting = asyncio.create_task(suite.run("ws://127.0.0.1:1/", "no-such-case"))
            await waiting

    with pytest.raises(OSError, match="process of the Autobahn suite has ended"):
        asyncio.run(case())


def test_a_suite_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the suite, compare mirror says how to install it; other editions do not need it."""
    monkeypatch.setattr(autobahn, "PACKAGE", "no_such_suite")
    monkeypatch.setattr("sandbox.compare.probes.autobahn.listed", listed.__wrapped__)
    monkeypatch.setitem(SUITES, "mirror", cases.__wrapped__)
    with pytest.raises(CommandError, match=r"pip install -e '\.\[autobahn\]'") as error:
        call_command("compare", "mirror")
    assert error.value.returncode == 2
    assert questions([one for one in CATALOGUE if one not in MIRRORS])


def test_a_case_that_runs_only_when_it_is_named_is_not_gone() -> None:
    """A run without the heavy cases says nothing of an earlier result of them."""
    report = Report("now", 1.0, (Target("daphne", "4", "http://127.0.0.1"),), (*MIRRORS,), ())
    before = {
        Place("daphne", MIRRORS[0].id, f"{PREFIX}{case}"): Shown("same", "", "passed")
        for case in ("1.1.1", "12.1.1")
    }
    earlier = Earlier("before", before)
    assert [one.place.probe for one in against(report, earlier).changes] == [f"{PREFIX}1.1.1"]
    named = against(report, earlier, [f"{PREFIX}12.*"])
    assert [one.place.probe for one in named.changes] == [f"{PREFIX}12.1.1"]
