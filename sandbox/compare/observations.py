"""What can be seen of an exhibit, as values. Words are made of them in output/words.py."""

import json
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

Header: TypeAlias = tuple[str, str]


# A message or an HTTP body.


@dataclass(frozen=True, slots=True)
class Reply:
    """A text message, or a body over HTTP, that is not one of the contract's errors."""

    text: str


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """One of the contract's errors."""

    code: str
    detail: str = field(default="", compare=False)
    """The contract leaves its wording open; the exhibits have to use the same."""


@dataclass(frozen=True, slots=True)
class BinaryMessage:
    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    payload: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response, where its status is not implied by the reply."""

    status: int
    reply: Reply | ErrorReply | None = None
    """None for a page that is not JSON, such as Django's 404."""
    headers: tuple[tuple[str, str | None], ...] = ()
    """Those that the probe looks at; None for one that is missing."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All that came back for bytes that were sent as they are."""

    responses: tuple[Response, ...]
    ended: bool = True
    """Whether the server then ended the connection; otherwise nothing more came."""


# The connection.


@dataclass(frozen=True, slots=True)
class Opened:
    """A WebSocket handshake that succeeded."""

    subprotocol: str | None = None
    compressed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A WebSocket handshake that was refused."""

    status: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The server ended the WebSocket: 1005 is a close without a code, 1006 no close frame."""

    code: int


@dataclass(frozen=True, slots=True)
class BrokenHandshake:
    """An answer to a WebSocket handshake that breaks RFC 6455."""

    message: str


@dataclass(frozen=True, slots=True)
class NoConnection:
    message: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing came within so many seconds."""

    seconds: float


# The server's log.


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The consumer's ``disconnect`` ran; over HTTP without a code."""

    code: int | None = None


@dataclass(frozen=True, slots=True)
class NoDisconnect:
    """The consumer's ``disconnect`` did not run."""


# Time.


@dataclass(frozen=True, slots=True)
class Early:
    """A reply that came before its delay was over."""

    reply: "Observation"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Whether a second connection waited while the first one's reply was delayed."""

    waits: bool


@dataclass(frozen=True, slots=True)
class NoDelay:
    """The first connection's reply was not delayed at all."""


# Rooms and scope.


@dataclass(frozen=True, slots=True)
class Heard:
    """The messages that each member of a room received."""

    by_member: tuple[tuple[str, tuple["Observation", ...]], ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a consumer says of a connection that was made with secrets."""

    has_path: bool
    query: tuple[Header, ...]
    headers: tuple[Header, ...]
    """Those that the probe sent, but for cookies."""
    cookies: tuple[Header, ...]
    user: str
    is_authenticated: bool
    shows_secret: bool


# A test suite's own judgement.


@dataclass(frozen=True, slots=True)
class Passed:
    """A case of the Autobahn suite that was passed."""

    behavior: str = field(default="OK", compare=False)
    """The suite's own word: OK, NON-STRICT or INFORMATIONAL."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A case of the Autobahn suite that was not passed, in the suite's own words."""

    behavior: str
    """Of the messages: FAILED; UNIMPLEMENTED where the server does not offer what is tested."""
    close: str
    """Of the close: FAILED, UNCLEAN, WRONG CODE; OK if it was as it should be."""
    detail: str = field(default="", compare=False)


Observation: TypeAlias = (
    Reply
    | ErrorReply
    | BinaryMessage
    | Pong
    | Response
    | Answers
    | Opened
    | Refused
    | Closed
    | BrokenHandshake
    | NoConnection
    | Silence
    | Disconnect
    | NoDisconnect
    | Early
    | Neighbour
    | NoDelay
    | Heard
    | Scope
    | Passed
    | Failed
)
Observations: TypeAlias = tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class OneOf:
    """An expectation that several observations meet."""

    possible: Observations


Expected: TypeAlias = tuple[Observation | OneOf, ...]


def reply_of(text: str) -> Reply | ErrorReply:
    """Recognise the contract's errors by their very bytes; anything else is a plain reply."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Reply(text)
    match value:
        case {"error": {"code": str(code), "detail": str(detail)}} if text == _error(code, detail):
            return ErrorReply(code, detail)
    return Reply(text)


def _error(code: str, detail: str) -> str:
    error = {"error": {"code": code, "detail": detail}}
    return json.dumps(error, ensure_ascii=False, separators=(",", ":"))


def details(seen: Observations) -> tuple[str, ...]:
    """Return the detail of each error, in order."""
    replies = [one.reply if isinstance(one, Response) else one for one in seen]
    return tuple(reply.detail for reply in replies if isinstance(reply, ErrorReply))


def meets(seen: Observations, expected: Expected, *, any_spelling: bool = False) -> bool:
    """Compare values. ``any_spelling`` takes equal JSON values for equal, however written."""
    return len(seen) == len(expected) and all(
        _meets(one, other, any_spelling=any_spelling)
        for one, other in zip(seen, expected, strict=True)
    )


def _meets(seen: Observation, expected: Observation | OneOf, *, any_spelling: bool) -> bool:
    match seen, expected:
        case _, OneOf(possible=possible):
            return any(_meets(seen, one, any_spelling=any_spelling) for one in possible)
        case Reply(), Reply() if any_spelling:
            return seen == expected or is_same_json(seen.text, expected.text)
        case Response(reply=Reply() as reply), Response(reply=Reply() as other) if any_spelling:
            return replace(seen, reply=None) == replace(expected, reply=None) and is_same_json(
                reply.text, other.text
            )
    return seen == expected


def is_same_json(one: str, other: str) -> bool:
    """Whether two documents hold the same value: 1 is neither 1.0 nor true, and order counts."""
    try:
        return repr(_parse(one)) == repr(_parse(other))
    except (ValueError, RecursionError):
        return False


def _parse(document: str) -> Any:
    # Integers stay text: Python refuses to read long ones.
    return json.loads(document, parse_int=lambda lexeme: ("integer", lexeme))
