"""What a bot answers.

Pure: no Django, no Channels, no event loop, no I/O. The time and the dice are arguments:

    >>> reply("/roll 2d6", now, dice)
    '2d6: 3 + 5 = 8'
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

MAX_DICE = 100
MIN_SIDES = 2
MAX_SIDES = 1000
HELP = "/echo TEXT, /time, /roll 2d6, /help"
BAD_ROLL = f"Say it like /roll 2d6: 1 to {MAX_DICE} dice, of {MIN_SIDES} to {MAX_SIDES} sides each."


def is_command(message: Any) -> bool:
    """Whether a message of a room is for bots. What a bot says is an object, so it never is."""
    return isinstance(message, str) and message.startswith("/")


def reply(command: str, now: datetime, dice: Callable[[int], int]) -> str:
    """Answer a command. ``dice`` rolls one die: it takes the sides, and returns 1 to as many."""
    name, _, rest = command.partition(" ")
    match name:
        case "/echo":
            return rest
        case "/time":
            return now.isoformat(timespec="seconds")
        case "/roll":
            return _roll(rest.strip(), dice)
        case "/help":
            return HELP
    return f"There is no command {name[:40]}: try /help."


def _roll(wanted: str, dice: Callable[[int], int]) -> str:
    match = re.fullmatch(r"(\d{1,4})d(\d{1,4})", wanted, re.ASCII)
    count, sides = map(int, match.groups()) if match else (0, 0)
    if not (1 <= count <= MAX_DICE and MIN_SIDES <= sides <= MAX_SIDES):
        return BAD_ROLL
    rolls = [dice(sides) for _ in range(count)]
    total = f" = {sum(rolls)}" if count > 1 else ""
    return f"{count}d{sides}: {' + '.join(map(str, rolls))}{total}"
