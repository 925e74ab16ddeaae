"""What a bot answers, as a pure function."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumers.bot.commands import BAD_ROLL, HELP, MAX_DICE, MAX_SIDES, is_command, reply
from sandbox.processes.servers import ROOT
from tests.support import strategies

NOW = datetime(2026, 11, 26, 12, 30, 15, 987654, UTC)


def one(_sides: int) -> int:
    return 1


@given(text=st.text())
def test_echo_gives_back_every_text(text: str) -> None:
    """What follows /echo and one space comes back as it is, commands and spaces included."""
    assert reply(f"/echo {text}", NOW, one) == text


@given(count=st.integers(0, 9999), sides=st.integers(0, 9999), data=st.data())
def test_a_roll_shows_its_dice_and_their_sum(count: int, sides: int, data: st.DataObject) -> None:
    """A roll within the bounds shows each die and the sum, and any other what the bounds are."""
    rolled: list[int] = []

    def dice(sides: int) -> int:
        rolled.append(data.draw(st.integers(1, sides)))
        return rolled[-1]

    said = reply(f"/roll {count}d{sides}", NOW, dice)
    if 1 <= count <= MAX_DICE and 2 <= sides <= MAX_SIDES:
        assert len(rolled) == count
        numbers = list(map(int, re.findall(r"\d+", said)))
        assert numbers == [count, sides, *rolled, *([sum(rolled)] if count > 1 else [])]
    else:
        assert said == BAD_ROLL
        assert not rolled


@given(rest=st.text())
def test_no_command_rolls_too_much_or_answers_at_length(rest: str) -> None:
    """Whatever follows the slash, the answer is text, and short unless it is an echo."""
    command = f"/{rest}"
    assert is_command(command)
    said = reply(command, NOW, one)
    assert command.startswith("/echo ") or len(said) <= 10 * MAX_DICE


def test_each_command_has_its_answer() -> None:
    """The commands are those that /help names, and a bad one is answered with a hint."""
    for command, said in {
        "/time": "2026-11-26T12:30:15+00:00",
        "/help": HELP,
        "/echo": "",
        "/roll 2d6": "2d6: 1 + 1 = 2",
        "/roll 1d20": "1d20: 1",
        "/roll": BAD_ROLL,
        "/roll 2d6 please": BAD_ROLL,
        "/roll ٢d6": BAD_ROLL,
        "/roll -1d6": BAD_ROLL,
        "/roll 99999999999999999999d6": BAD_ROLL,
        "/Time": "There is no command /Time: try /help.",
        "/": "There is no command /: try /help.",
        "/" + "x" * 100: f"There is no command /{'x' * 39}: try /help.",
    }.items():
        assert reply(command, NOW, one) == said
    for command in re.findall(r"/\w+", HELP):
        assert "There is no command" not in reply(command, NOW, one)


@given(value=strategies.json_values())
def test_only_a_string_can_be_a_command(value: Any) -> None:
    """No message is a command but a string that begins with a slash, so no bot answers a bot."""
    assert is_command(value) == (isinstance(value, str) and value[:1] == "/")
    assert not is_command({"bot": "bot-async", "text": value})


def source(module: str) -> str:
    spec = find_spec(module)
    assert spec
    assert spec.origin
    return Path(spec.origin).read_text()


def test_the_twins_differ_only_in_how_they_wait() -> None:
    """The sync bot is the async one without async and await, and publishes from a thread."""
    stripped = re.sub(r"\b(async (?=def)|await )", "", source("consumers.bot.bot_async"))
    stripped = re.sub(r"\ba(?=exists|add)", "", stripped)
    stripped = stripped.replace("AsyncConsumer", "SyncConsumer").replace("async bot", "sync bot")

    threaded = source("consumers.bot.bot_sync").replace("async_to_sync(publish)", "publish")
    assert threaded.replace("from asgiref.sync import async_to_sync\n", "") == stripped


def test_the_document_shows_what_bots_say() -> None:
    """Each command in the table of docs/bot.md has the answer that stands there."""
    document = (ROOT / "docs/bot.md").read_text()
    table = re.findall(r"^\| `(/.*?)` \| `(.*)` \|$", document, re.MULTILINE)
    assert len(table) == 6
    for command, said in table:
        assert reply(command, NOW, dice_of(3, 5)) == said


def dice_of(*rolls: int) -> Callable[[int], int]:
    """Dice that show these numbers."""
    following = iter(rolls)
    return lambda _sides: next(following)
