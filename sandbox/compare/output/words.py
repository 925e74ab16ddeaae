"""Words for what was seen: the only place where observations become text for people."""

from collections.abc import Iterable
from itertools import takewhile
from typing import assert_never
from urllib.parse import urlsplit

from sandbox.compare.engine import Cell
from sandbox.compare.observations import (
    Answers,
    BinaryMessage,
    BrokenHandshake,
    Closed,
    Disconnect,
    Early,
    ErrorReply,
    Failed,
    Heard,
    Neighbour,
    NoConnection,
    NoDelay,
    NoDisconnect,
    Observation,
    Observations,
    OneOf,
    Opened,
    Passed,
    Pong,
    Refused,
    Reply,
    Response,
    Scope,
    Silence,
)

SHOWN_CHARACTERS = 80
SHOWN_IN_ALL = 240


def in_words(observations: Iterable[Observation | OneOf], *, with_details: bool = False) -> str:
    """Put observations into one line of printable characters, shortened in the middle."""
    words = (_words(one, with_details=with_details) for one in observations)
    return shorten("; ".join(words), SHOWN_IN_ALL)


def seen_in_words(cell: Cell) -> str:
    """Put into words what a cell saw; where it differs, so that the difference shows."""
    if cell.verdict != "differs":
        return in_words(cell.seen)
    seen = in_words(cell.seen, with_details=True)
    if seen != in_words(cell.expected) or cell.seen == cell.expected:
        return seen
    # Shortened, they look the same: show the place where they differ.
    both = zip(repr(cell.seen), repr(cell.expected), strict=False)
    equal = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))
    return f"{seen}, and in it “{_printable(repr(cell.seen)[equal : equal + 20])}”"


def reason(cell: Cell) -> str:
    """Say why a cell is not the contract's, or what it was compared with."""
    if cell.usual_details:
        return f"The others say: {' / '.join(cell.usual_details)}"
    if cell.difference is None:
        return cell.because
    if cell.verdict == "differs":
        declared = in_words(cell.difference.seen[cell.probe])
        return f"“{declared}” is declared: {cell.difference.reason}"
    return cell.difference.reason


def issue_name(link: str) -> str:
    """Shorten the URL of an issue as GitHub does, that of a page to its host and path."""
    parts = urlsplit(link)
    match parts.path.strip("/").split("/"):
        case [_, repository, "issues" | "pull" | "discussions", number]:
            return f"{repository}#{number}"
    return parts.netloc + parts.path


def alternatives(seen: tuple[Observations, ...]) -> str:
    """Put into words what several exhibits show."""
    return " or ".join(dict.fromkeys(map(in_words, seen)))


def shorten(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """Escape what cannot be printed; keep both ends of a long text, and say how long it is."""
    if len(text) <= characters:
        return _printable(text)
    half = characters // 2 - 10
    return f"{_printable(text[:half])} … {_printable(text[-half:])} ({len(text)} characters)"


def _printable(text: str) -> str:
    return "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}" for character in text
    )


def _text(payload: bytes) -> str:
    return shorten(payload.decode(errors="backslashreplace"))


def _words(seen: Observation | OneOf, *, with_details: bool = False) -> str:  # noqa: C901, PLR0911, PLR0912 # a case each
    match seen:
        case Reply(text=text):
            return shorten(text)
        case ErrorReply(code=code, detail=detail):
            return f"error {code}" + (f": {detail}" if with_details else "")
        case BinaryMessage(payload=payload):
            return f"binary {_text(payload)}"
        case Pong(payload=payload):
            return f"pong {_text(payload)}"
        case Response(status=status, reply=reply, headers=headers):
            words = f"HTTP {status}"
            if reply is not None:
                words += f" {_words(reply, with_details=with_details)}"
            return ", ".join([words, *(f"{name}: {value or 'none'}" for name, value in headers)])
        case Answers(responses=responses, ended=ended):
            return ", ".join([*map(_words, responses), "end" if ended else "nothing more"])
        case Opened(subprotocol=subprotocol, compressed=compressed):
            further = [f"subprotocol {subprotocol}"] * bool(subprotocol) + [
                "compressed"
            ] * compressed
            return ", ".join(["open", *further])
        case Refused(status=status):
            return f"refused {status}"
        case Closed(code=code):
            return f"closed {code}"
        case BrokenHandshake(message=message):
            return f"broken handshake: {message}"
        case NoConnection(message=message):
            return f"no connection: {message}"
        case Silence(seconds=seconds):
            return f"nothing within {seconds:g} s"
        case Disconnect(code=None):
            return "disconnect"
        case Disconnect(code=code):
            return f"disconnect {code}"
        case NoDisconnect():
            return "no disconnect"
        case Early(reply=reply):
            return f"{_words(reply)}, too early"
        case Neighbour(waits=waits):
            return "the neighbour waits" if waits else "the neighbour is answered during the wait"
        case NoDelay():
            return "nothing waits"
        case Heard(by_member=by_member):
            return _heard(by_member)
        case Scope():
            return _scope(seen)
        case Passed(behavior=behavior):
            return "passed" + ("" if behavior == "OK" else f", {behavior.lower()}")
        case Failed(behavior=behavior, close=close, detail=detail):
            words = f"{behavior.lower()}, close {close.lower()}"
            return f"{words}: {detail}" if with_details and detail else words
        case OneOf(possible=possible):
            return " or ".join(_words(one) for one in possible)
        case _:
            assert_never(seen)


def _heard(by_member: tuple[tuple[str, Observations], ...]) -> str:
    members: dict[str, list[str]] = {}
    for member, heard in by_member:
        words = shorten(" ".join(map(_words, heard)))
        members.setdefault(words, []).append(member)
    if len(members) == 1:
        return f"all hear {next(iter(members))}"
    return ", ".join(f"{' and '.join(names)}: {words}" for words, names in members.items())


def _scope(scope: Scope) -> str:
    pairs = (
        *(f"?{name}={value}" for name, value in scope.query),
        *(f"{name}: {value}" for name, value in scope.headers),
        *(f"cookie {name}={value}" for name, value in scope.cookies),
    )
    return ", ".join(
        [
            "its path" if scope.has_path else "another path",
            *pairs,
            f"user {scope.user!r}{' (authenticated)' * scope.is_authenticated}",
            "a secret is shown" if scope.shows_secret else "no secret is shown",
        ]
    )
