"""The experiment anatomy: each step adds what it says."""

import asyncio
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
from asgiref.sync import SyncToAsync
from django.core.management import call_command

from sandbox.bench import anatomy_application, testbed
from sandbox.bench.anatomy_application import APPLICATIONS
from sandbox.bench.experiments import anatomy
from sandbox.bench.experiments.anatomy import COSTS, TYPES, Anatomy, AnatomyRow, Cost, costs_of
from sandbox.bench.output.charts import Part, Waterfall
from sandbox.bench.output.json import SCHEMA_FILE, from_json
from sandbox.bench.plan import plan
from sandbox.bench.report import Report
from sandbox.bench.testbed import processor_seconds
from tests.support.asgi import TIMEOUT

MEASURED = "async-http"
"""On a real server: the other types are tried in process."""


def as_tables(report: Report) -> str:
    """Say in Markdown what each step adds, one table for each server."""
    return "\n".join([*_tables(report), *_made_with(report)])


def as_answer(report: Report) -> str:
    """Say in Markdown what a message costs on the first server, in all and for its threads."""
    server = report.servers[0].name
    rows = [row for row in report.results["anatomy"] if row.server == server]
    whole = {(row.exhibit, row.step): row.microseconds.median for row in rows}
    added = {(row.exhibit, row.step): row.added.median for row in rows if row.added}
    sync = added["websocket", "handler-on-thread"] + added["websocket", "send-from-thread"]
    return (
        f"On {server.capitalize()} a message and its reply take "
        f"{whole['async-websocket', 'log']:.0f} microseconds of processor time with an\n"
        f"`AsyncWebsocketConsumer`, {whole['websocket', 'log']:.0f} with a `WebsocketConsumer`, "
        f"and {whole['async-websocket', 'bare']:.0f} in bare ASGI.\n"
        f"Switches between threads take {added['async-websocket', 'hop']:.0f} of the first, in "
        f"`aclose_old_connections`, and {sync:.0f} of the second, in\n"
        "`database_sync_to_async` and `async_to_sync(send)`."
    )


def _tables(report: Report) -> Iterator[str]:
    for server in report.servers:
        rows = {
            (row.exhibit, row.step): row
            for row in report.results["anatomy"]
            if row.server == server.name
        }
        yield f"Microseconds on {server.name.capitalize()} {server.version}:"
        yield ""
        yield f"| | {' | '.join(f'`{type_}`' for type_ in TYPES.values())} |"
        yield "|---" * (len(TYPES) + 1) + "|"
        for cost in COSTS:
            cells = [_cell(rows.get((slug, cost.name))) for slug in TYPES]
            label = next(row.label for row in rows.values() if row.step == cost.name)
            yield f"| {label} | {' | '.join(cells)} |"
            if cost.name == "log":
                sums = (f"**{rows[slug, 'log'].microseconds.median:.0f}**" for slug in TYPES)
                yield f"| **= the consumer** | {' | '.join(sums)} |"
        yield ""


def _cell(row: AnatomyRow | None) -> str:
    if row is None:
        return ""
    return row.added_in_words if row.added else f"{row.microseconds.median:.1f}"


def _made_with(report: Report) -> Iterator[str]:
    names = ("python", "django", "channels", "asgiref")
    versions = ", ".join(f"{name.capitalize()} {report.versions[name]}" for name in names)
    yield (
        f"Measured on {report.started[:10]} with {versions}; {report.machine['cores']} cores, "
        f"{report.cores}; medians of {report.rounds} rounds."
    )


@pytest.mark.parametrize("slug", TYPES)
def test_the_application_has_each_step(slug: str) -> None:
    """What the report names is what the application serves, in the same order."""
    paths = [path for path in APPLICATIONS if path.startswith(f"/{slug}/")]

    assert paths == [f"/{slug}/{cost.name}/" for cost in costs_of(slug)]


class Counted:
    """How often a server's side of a connection made a task or switched to a thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tasks = self.threads = 0
        switch: Any = SyncToAsync.__call__

        def counting(*args: Any, **kwargs: Any) -> Any:
            self.threads += 1
            return switch(*args, **kwargs)

        monkeypatch.setattr(SyncToAsync, "__call__", counting)
        asyncio.get_running_loop().set_task_factory(self._make_task)

    def _make_task(self, loop: Any, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
        self.tasks += 1
        return asyncio.Task(coroutine, loop=loop, **options)

    @property
    def now(self) -> tuple[int, int]:
        return self.tasks, self.threads


PLAIN, TASK, HOP, SEND = (0, 0), (1, 0), (1, 1), (2, 1)
FOR_A_MESSAGE = {
    **dict.fromkeys(("bare", "routing", "guards", "session", "bare-again"), PLAIN),
    "tasks": TASK,
    **dict.fromkeys(("hop", "handler-on-thread"), HOP),
    "send-from-thread": SEND,
    **dict.fromkeys(("tuned", "tuned-session"), PLAIN),
}
"""Tasks, and switches to a thread; the others have those of the step before them."""


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [path for path in APPLICATIONS if "http" not in path])
async def test_each_step_adds_what_it_says(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A WebSocket message is echoed by every step, with the tasks and threads that it names."""
    slug, step = path.strip("/").split("/")
    counted = Counted(monkeypatch)
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    outgoing: asyncio.Queue[Any] = asyncio.Queue()
    scope = {"type": "websocket", "path": path, "headers": [], "client": ("127.0.0.1", 1)}
    serving = asyncio.ensure_future(
        anatomy_application.application(scope, incoming.get, outgoing.put)
    )

    async def event() -> Any:
        async with asyncio.timeout(TIMEOUT):
            return await outgoing.get()

    incoming.put_nowait({"type": "websocket.connect"})
    assert (await event())["type"] == "websocket.accept"
    seen = []
    for text in ('{"message":"one"}', '{"message":"two"}', '{"message":"three"}'):
        seen.append(counted.now)
        incoming.put_nowait({"type": "websocket.receive", "text": text})
        assert (await event())["text"] == text
    incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    async with asyncio.timeout(TIMEOUT):
        await serving

    last = SEND if not slug.startswith("async-") else HOP
    (tasks, threads), (more_tasks, more_threads) = seen[1:]
    assert (more_tasks - tasks, more_threads - threads) == FOR_A_MESSAGE.get(step, last)


def test_a_run_measures_and_shows_each_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step has its processor time on a real server, in the terminal, page and JSON."""
    monkeypatch.setattr(anatomy, "TYPES", {MEASURED: TYPES[MEASURED]})
    stdout = io.StringIO()
    call_command(
        "bench",
        "anatomy",
        "--quick",
        *("--rounds", "1", "--seconds", "0.02", "--connections", "2"),
        *("--json", str(tmp_path / "report.json"), "--html", str(tmp_path / "report.html")),
        stdout=stdout,
    )
    printed = " ".join(stdout.getvalue().split())
    page = (tmp_path / "report.html").read_text()
    document = (tmp_path / "report.json").read_bytes()
    report = from_json(document)

    jsonschema.validate(json.loads(document), json.loads(SCHEMA_FILE.read_bytes()))
    assert report.refused == []
    rows = report.results["anatomy"]
    assert [row.step for row in rows] == [cost.name for cost in costs_of(MEASURED)]
    assert all(row.microseconds.median > 0 and row.errors == 0 for row in rows)
    assert f"anatomy: the processor time of one message, {TYPES[MEASURED]} on daphne" in printed
    assert re.search(rf"<h3>{TYPES[MEASURED]}: where \d+ µs of a round trip go</h3>", page)
    for row in rows:
        assert row.label in printed
        assert row.label in page


def measured(turns: list[dict[str, float]]) -> dict[str, AnatomyRow]:
    """Give the rows of made-up turns of an async type; what a turn lacks took a second."""
    experiment = Anatomy(testbed.Testbed("daphne", [], {}), plan())
    for turn in turns:
        everything = {cost.name: 1e6 for cost in costs_of("async-websocket")} | turn
        experiment.turns["async-websocket"].append(everything)
    return {row.step: row for row in experiment.rows()}


def test_a_step_is_measured_against_the_step_before() -> None:
    """What a step adds is what it takes more than the one before it in the same round."""
    rows = measured([{"bare": 10.0, "routing": 12.0 + step, "guards": 20.0} for step in range(3)])

    assert rows["bare"].added is None
    assert rows["routing"].after == "bare"
    added = rows["routing"].added
    assert added is not None
    assert (added.low, added.median, added.high) == (2, 3, 4)
    assert rows["guards"].after == "routing"
    assert rows["guards"].added is not None
    assert rows["guards"].added.median == 7
    for instead in ("printed", "thread-each", "pool"):
        assert rows[instead].after == "log"
    for whole in ("tuned", "tuned-session", "bare-again"):
        assert rows[whole].after == ""


def test_what_steps_add_adds_up() -> None:
    """What all steps add to bare ASGI is the whole consumer, however their rounds differ."""
    rows = measured(
        [
            {cost.name: 10.0 * (step * seed % 7 + 1) for step, cost in enumerate(COSTS, 1)}
            for seed in range(1, 6)
        ]
    )

    chain = [row for row in rows.values() if row.cost.kind == "next"]
    added = sum(row.added.median for row in chain if row.added)
    whole = rows["log"].microseconds.median
    assert rows["bare"].microseconds.median + added == pytest.approx(whole)
    for row in rows.values():
        assert row.added is None or row.added.low <= row.added.median <= row.added.high


def test_a_slow_round_is_slow_for_all_steps() -> None:
    """A round in which bare ASGI took twice as long counts as one in which all took half of it."""
    rows = measured([{"bare": slow * 10.0, "routing": slow * 13.0} for slow in (1, 1, 2, 1, 1)])

    assert rows["routing"].microseconds.low == rows["routing"].microseconds.high == 13
    assert rows["routing"].is_finding


@pytest.mark.parametrize(
    ("routing", "is_finding"),
    [
        ([12.0, 13.0, 12.0, 12.0, 14.0], True),
        ([12.0, 13.0, 9.0, 12.0, 14.0], False),  # one round overlaps
        ([12.0, 13.0], False),  # too few rounds
    ],
)
def test_a_step_inside_the_noise_is_no_finding(routing: list[float], is_finding: bool) -> None:
    """A step costs something only if all of at least five rounds say so; else it is in brackets."""
    row = measured([{"bare": 10.0, "routing": one} for one in routing])["routing"]

    assert row.is_finding == is_finding
    assert row.added_in_words.startswith("+" if is_finding else "(+")


def test_each_bar_begins_where_the_one_before_ends() -> None:
    """A waterfall goes on from what it has reached, and a whole begins at the left."""
    parts = [Part("a", 0, 10, "", ""), Part("b", 10, 25, "", ""), Part("c", 25, 20, "", "")]

    rows = Waterfall("", "", parts).rows

    assert [(row["left"], row["width"], row["kind"]) for row in rows] == [
        (0, 40, "whole"), (40, 60, "more"), (80, 20, "less"),
    ]  # fmt: skip


def test_processor_time_is_that_of_all_threads() -> None:
    """It is what psutil says of a server, whose steps of 10 ms would be too coarse."""
    work = "sum(range(10**6))"
    program = (
        "import threading, time\n"
        f"threads = [threading.Thread(target=lambda: {work}) for _ in range(9)]\n"
        "[one.start() for one in threads], [one.join() for one in threads]\n"
        "print(flush=True), time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None
            running.stdout.readline()
            process = psutil.Process(running.pid)
            used, times = processor_seconds(process), process.cpu_times()
            assert used == pytest.approx(times.user + times.system, abs=0.03)
            assert used % 0.01 > 1e-9
        finally:
            running.kill()


def test_each_step_is_said_in_a_sentence() -> None:
    """Every step says what the server does in it, and fits into the terminal's table."""
    for cost in COSTS:
        assert isinstance(cost, Cost)
        assert cost.does.endswith(".")
        assert len(f"or + {cost.label}") <= 29
