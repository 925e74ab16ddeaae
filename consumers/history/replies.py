"""What ``history`` adds to the contract: ids, ``after`` and ``lost``. Pure, like the contract."""

import re
from typing import Any
from urllib.parse import parse_qs

from consumers.contract import Error, answer, encode

INVALID_AFTER = Error("invalid_request", 'The "after" is not the id of a message.')


def after_in(scope: Any) -> int | Error | None:
    """Read the last id that a client has; None if it names none.

    It is in the header ``Last-Event-ID``, which an EventSource sends when it reconnects, else in
    ``?after=``.
    """
    given = [value for name, value in scope["headers"] if name == b"last-event-id"]
    if not given:
        query = scope["query_string"].decode(errors="replace")
        given = parse_qs(query, keep_blank_values=True).get("after", [])
    return _id(given[-1]) if given else None


def _id(given: str | bytes) -> int | Error:
    text = given.decode("latin-1") if isinstance(given, bytes) else given
    # Up to 18 digits fit into the 64 bits that every database has for an integer.
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else INVALID_AFTER


def begin_after(after: int | Error | None, newest: int) -> tuple[int, Error | None]:
    """Decide after which id to begin, and what is wrong with the one that the client named."""
    if after is None:
        return newest, None
    if isinstance(after, Error):
        return newest, after
    if after > newest:
        detail = f'The "after" is {after}, but the newest id is {newest}.'
        return newest, Error("invalid_request", detail)
    return after, None


def message_reply(number: int, text: str) -> str:
    """Encode a message of the room; ``text`` is JSON already."""
    return f'{{"id":{number},"message":{text}}}'


def lost_reply(before: int) -> str:
    """Encode that messages before this id are gone."""
    return encode({"lost": {"before": before}})


def error_reply(error: Error) -> str:
    return encode(answer(error))
