"""``--fail-if``: conditions at which ``bench`` fails in somebody's CI."""

import io
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from msgspec import structs

from sandbox.bench.conditions import ConditionError, figures, parse
from sandbox.bench.experiments.echo import EchoRow
from sandbox.bench.report import Report, Server
from sandbox.bench.run import Bench
from sandbox.bench.spread import Spread, compared
from sandbox.management.shell import INTERRUPTED
from sandbox.processes.servers import ROOT

CHOOSING = ROOT / "docs" / "choosing.md"


def report(*rows: tuple[str, Spread]) -> Report:
    """Make a report in which tuned/websocket has these shares of the baseline, by server."""
    made = Report("", {}, {}, "", 3, 0.1)
    made.servers = [Server(name, "1") for name in dict.fromkeys(server for server, _ in rows)]
    made.results["echo"] = [
        EchoRow(
            server=server, exhibit="tuned/websocket", connections=32, payload_bytes=32,
            per_second=Spread(17_000, 16_000, 18_000), share_of_baseline=share,
            cpu_microseconds=Spread(50, 40, 60), latency={}, rounds=[],
        )
        for server, share in rows
    ]  # fmt: skip
    return made


LOW, NOISY, HIGH = Spread(0.8, 0.7, 0.85), Spread(0.85, 0.7, 0.95), Spread(0.95, 0.91, 1.0)


def test_a_condition_holds_if_every_round_says_so() -> None:
    """The failure has the condition, the figure, its spread, and where it was measured."""
    made = report(("daphne", LOW))

    parse("tuned/websocket share < 0.9").decide(made)

    (failure,) = made.failures
    assert failure.startswith(
        "tuned/websocket share < 0.9: it was 0.8, 0.7 to 0.85 in single rounds (echo: "
    )
    assert "on daphne, 32 connections" in failure
    assert made.warnings == []


def test_what_lies_within_the_noise_fails_nothing() -> None:
    """Where single rounds are on both sides a warning says so, if the median is on the bad one."""
    made = report(("daphne", NOISY))

    parse("tuned/websocket share < 0.9").decide(made)

    assert made.failures == []
    (warning,) = made.warnings
    assert "not decided, because the noise is wider than the distance" in warning
    assert "0.85, 0.7 to 0.95 in single rounds" in warning


def test_a_condition_that_does_not_hold_says_nothing() -> None:
    """Neither a failure nor a warning comes of a figure that is as it should be."""
    made = report(("daphne", HIGH))

    for text in ("tuned/websocket share < 0.9", "tuned/websocket per-second<=15e3"):
        parse(text).decide(made)

    assert made.failures == made.warnings == []


@pytest.mark.parametrize(
    ("written", "holds"),
    [("< 0.85", False), ("<= 0.85", True), ("> 0.7", False), (">= 0.7", True), (">0.69", True)],
)
def test_each_operator_does_what_it_says(written: str, holds: bool) -> None:
    """The limit itself belongs to <= and >= only."""
    made = report(("daphne", LOW))

    parse(f"tuned/websocket share {written}").decide(made)

    assert bool(made.failures) == holds


def test_a_condition_may_be_about_one_server() -> None:
    """With ``on``, what another server does is left out; without it every server counts."""
    made = report(("daphne", LOW), ("uvicorn", HIGH))

    parse("tuned/websocket share < 0.9 on uvicorn").decide(made)
    assert made.failures == []

    parse("tuned/websocket share < 0.9").decide(made)
    assert len(made.failures) == 1


def test_what_was_not_measured_does_not_pass() -> None:
    """An exhibit that was refused in the run fails each condition about it."""
    made = report(("daphne", HIGH))
    made.results["echo"].clear()

    parse("tuned/websocket share < 0.9").decide(made)

    (failure,) = made.failures
    assert "cannot be decided, because echo did not measure tuned/websocket on daphne" in failure


def test_replies_that_are_missing_do_not_pass() -> None:
    """Where replies are wrong or missing, what the others measured cannot pass."""
    made = report(("daphne", HIGH))
    made.results["echo"] = [structs.replace(row, errors=3) for row in made.results["echo"]]

    parse("tuned/websocket share < 0.9").decide(made)

    (failure,) = made.failures
    assert "cannot be decided, because 3 replies were wrong or missing" in failure


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not a condition: write EXHIBIT FIGURE"),
        ("tuned/websocket share = 0.9", "such as 'tuned/websocket share < 0.9'"),
        ("share < 0.9", "is not a condition"),
        ("tuned/websocket share << 0.9", "is not a condition"),
        ("tuned/websocket share < 0.9 uvicorn", "is not a condition"),
        (
            "tuned/websockets share < 0.9",
            "there is no exhibit 'tuned/websockets'; choose from echo",
        ),
        ("tuned/websocket speed < 0.9", r"no figure 'speed'; choose from share \(echo\), "),
        ("tuned/websocket share < fast", "'fast' is not a number"),
        ("tuned/websocket share < nan", "'nan' is not a number"),
    ],
)
def test_a_bad_condition_gets_a_sentence(text: str, complaint: str) -> None:
    """What cannot be read says what can."""
    with pytest.raises(ConditionError, match=complaint):
        parse(text)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--fail-if", "nonsense"], "'nonsense' is not a condition"),
        (
            ["stall", "--fail-if", "tuned/websocket share < 0.9"],
            "experiment echo, which is not run",
        ),
        (
            ["echo", "tuned/async-http", "--fail-if", "tuned/websocket share < 0.9"],
            "this run measures tuned/async-http, baseline/http, and not tuned/websocket",
        ),
        (
            ["echo", "--fail-if", "tuned/websocket share < 0.9 on uvicorn"],
            "this run measures daphne, and not uvicorn",
        ),
        (["echo", "--hgrm", "x.hgrm"], "the experiment latency measures: name it too"),
        (
            ["latency", "--hgrm", "/no/such/folder/x.hgrm"],
            "No files can be written in /no/such/folder",
        ),
    ],
)
def test_what_a_run_would_not_measure_is_refused_before_it(
    arguments: list[str], complaint: str
) -> None:
    """A condition that the run cannot decide is bad usage: exit status 2, and nothing starts."""
    with pytest.raises(CommandError, match=complaint) as raised:
        call_command("bench", *arguments)

    assert raised.value.returncode == 2


def test_a_condition_that_holds_is_the_exit_status() -> None:
    """A run of the command in which a condition holds prints it and exits with 1."""
    stdout = io.StringIO()

    with pytest.raises(SystemExit) as raised:
        call_command(
            *("bench", "echo", "tuned/async-http", "--quick", "--rounds", "1"),
            *("--seconds", "0.05", "--connections", "1"),
            *("--fail-if", "tuned/async-http per-second > 0"),
            *("--fail-if", "tuned/async-http share > 1000"),
            stdout=stdout,
        )

    assert raised.value.code == 1
    assert "tuned/async-http per-second > 0: it was" in " ".join(stdout.getvalue().split())
    assert "share > 1000" not in stdout.getvalue()


def test_each_figure_has_one_experiment() -> None:
    """No two experiments give the same name to something that they measure."""
    names = [name for _, name, _ in figures()]

    assert len(names) == len(set(names)) > 10


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        ((Spread(3, 2.9, 3.1), Spread(1, 0.9, 1.1)), "3.0 (2.6 to 3.4)"),
        ((Spread(3, 1.1, 3.1), Spread(1, 0.9, 1.1)), "no difference (1.00 to 3.4)"),
        ((Spread(1, 1, 1), Spread(0, 0, 0)), "inf (inf to inf)"),
    ],
)
def test_one_rule_says_what_is_a_difference(sides: tuple[Spread, Spread], words: str) -> None:
    """Where a round of the one lies within the rounds of the other, there is no difference."""
    assert compared(*sides) == words


def documented() -> list[list[str]]:
    """Find the commands of ``bench`` that the documents show, as lists of arguments."""
    commands = re.compile(r"manage\.py bench (.*?)(?:  +#.*)?$", re.MULTILINE)
    blocks = re.compile(r"```console\n(.*?)```", re.DOTALL)
    return [
        shlex.split(command)
        for document in (CHOOSING, CHOOSING.with_name("benchmarks.md"))
        for block in blocks.findall(document.read_text())
        for command in commands.findall(block)
    ]


@pytest.mark.parametrize("arguments", documented(), ids=" ".join)
def test_documented_commands_are_accepted(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each command of ``bench`` in the documents gets as far as to the measuring."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Bench, "run", lambda _: None)

    with pytest.raises(SystemExit) as raised:
        call_command("bench", *arguments, stdout=io.StringIO())

    assert raised.value.code == INTERRUPTED  # nothing was measured


def test_documented_condition_can_be_read() -> None:
    """The condition in the text of docs/choosing.md is one that can be read."""
    (condition,) = re.findall(r"--fail-if '(.*?)'", CHOOSING.read_text())

    assert parse(condition).exhibit == "tuned/websocket"
