"""``manage.py bench soak``: what it calls growth, and that it finds what is wrong."""

import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.management import call_command

from sandbox.bench import testbed
from sandbox.bench.experiments import soak
from sandbox.bench.experiments.soak import Moment, Soak, grown
from sandbox.bench.output.json import from_json
from sandbox.bench.plan import plan
from sandbox.bench.traffic import KINDS
from sandbox.processes.server_log import is_ours
from sandbox.processes.servers import ROOT

HOUR = 3600


def rests(
    memory: Sequence[float], *, seconds: float, threads: Sequence[int] = (), descriptors: int = 10
) -> list[Moment]:
    """Rests at equal distances, the last one after so many seconds."""
    return [
        Moment(
            seconds * number / len(memory),
            mib,
            (threads or [5] * len(memory))[number - 1],
            descriptors,
            0,
            at_rest=True,
        )
        for number, mib in enumerate(memory, 1)
    ]


def rising(per_rest: float) -> list[float]:
    return [100 + per_rest * number for number in range(30)]


@pytest.mark.parametrize(
    ("memory", "seconds", "said"),
    [
        (rising(0), HOUR, ""),
        (rising(0.02), HOUR, ""),
        (rising(0.2), HOUR, "resident memory grew by"),
        (rising(0.2), 60, ""),
        (rising(5), 60, "resident memory grew by"),
        ([50.0 + 5 * min(number, 9) for number in range(30)], 60, ""),
        ([100.0, 140.0, *[100.0] * 27, 140.0], HOUR, ""),
        ([100.0], 60, "too short to compare"),
    ],
)
def test_memory_grows_if_it_rises_from_rest_to_rest(
    memory: list[float], seconds: float, said: str
) -> None:
    """A long run may grow by 1 % an hour, a short one by a quarter, whatever its warm-up did."""
    found = list(grown(rests(memory, seconds=seconds)))

    assert bool(found) == bool(said)
    assert said in "".join(found)


def test_threads_grow_if_there_are_always_more() -> None:
    """Threads that come and go are no growth; more than ever before at each later rest are."""
    steady = [100.0] * 30

    assert list(grown(rests(steady, seconds=60, threads=[5, 9] * 15))) == []
    (said,) = grown(rests(steady, seconds=60, threads=[*range(0, 300, 10)]))
    assert said == "threads grew at rest: at most 180 in the first half, then at least 190."


@pytest.mark.parametrize(
    ("innermost", "ours"),
    [(ROOT / "consumers" / "contract.py", True), (ROOT / ".venv" / "uvicorn.py", False)],
)
def test_a_traceback_is_ours_if_our_code_raised(innermost: Path, ours: bool) -> None:
    """What counts is where the exception was raised, not who called."""
    called = f'  File "{ROOT / "routing" / "urls.py"}", line 1, in a\n    b()\n'
    raised = f'  File "{innermost}", line 1, in b\n    c()\nValueError: no'

    assert is_ours(f"Traceback (most recent call last):\n{called}{raised}") == ours


def test_a_short_soak_has_tried_every_kind(tmp_path: Path) -> None:
    """Named on the command line, it reports all kinds of traffic, and draws what was held."""
    file = tmp_path / "soak.json"
    page = file.with_suffix(".html")
    arguments = ("soak", "--quick", "--minutes", "0.08")
    with suppress(SystemExit):  # in so short a time memory may well grow
        call_command("bench", *arguments, "--json", file, "--html", page, stdout=io.StringIO())

    (row,) = from_json(file.read_bytes()).results["soak"]
    assert [one.kind for one in row.tried] == list(KINDS)
    assert sum(one.tried for one in row.tried) > len(KINDS)
    assert (row.errors, row.unpaired) == (0, 0)
    assert row.connects > sum(one.tried for one in row.tried) / 2
    assert all(moment.memory_mib > 10 and moment.threads for moment in row.moments)
    assert "<h3>Soak: 0 min" in page.read_text()


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> None:
    started = testbed.started
    monkeypatch.setattr(soak, "REST_SECONDS", 1.0)
    monkeypatch.setattr(
        soak, "started", lambda server, **options: started(server, LEAKY, **options)
    )


LEAKY = "tests.support.leaky:application"


@pytest.mark.asyncio
@pytest.mark.usefixtures("leaky")
async def test_connections_that_never_end_are_found() -> None:
    """An application that keeps its connections fails: they have no end in the log."""
    one = Soak(testbed.Testbed("daphne", [], {}), plan(quick=True, minutes=0.05))

    await one.turn()

    assert any("have no end (+)" in failure for failure in Soak.failures(one.rows()))
