"""What a check sees, as values. Words are made of them in output/words.py."""

from dataclasses import dataclass
from typing import TypeAlias

from sandbox.compare.observations import (
    BinaryMessage,
    BrokenHandshake,
    Closed,
    NoConnection,
    Opened,
    Refused,
    Reply,
    Silence,
)

Answer: TypeAlias = Reply | BinaryMessage
Handshake: TypeAlias = Opened | Refused | Closed | BrokenHandshake | NoConnection | Silence


@dataclass(frozen=True, slots=True)
class After:
    """What followed a message."""

    answers: tuple[Answer, ...] = ()
    closed: int | None = None
    """The close code; 1005 is a close without a code, 1006 no close at all."""
    is_useful: bool = False
    """Whether the known request was answered afterwards, on the same connection."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The server takes no connection any more."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A handshake, and whether the known request was answered after it."""

    handshake: Handshake
    is_answered: bool = False


@dataclass(frozen=True, slots=True)
class CloseAnswer:
    """What the server answers to a close; 1006 is nothing, or the end of the connection."""

    code: int


@dataclass(frozen=True, slots=True)
class Order:
    """Requests that were sent at once."""

    sent: int
    answered: int
    in_order: bool
    closed: int | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """Round trips."""

    count: int
    p50: float
    """Seconds, as the next."""
    p99: float


@dataclass(frozen=True, slots=True)
class UnderLoad:
    """Round trips of one connection while others are busy."""

    others: int
    rest: float
    """The median round trip in seconds, while nothing else is asked."""
    busy: float
    """The same, while the others are busy."""
    longest: float
    lost_after: float | None = None
    """Seconds after which a request was given up, if one was."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a neighbour waits for a reply, and how long the busy connection does."""

    neighbour: float | None
    """Seconds, as the next; None is no answer."""
    busy: float | None
    waits: bool


@dataclass(frozen=True, slots=True)
class Left:
    """Clients that vanished, and whether another one is answered afterwards."""

    clients: int
    raised: int
    is_answered: bool
    error: str = ""
    """What was raised, for one of them."""


@dataclass(frozen=True, slots=True)
class Unread:
    """What a client could send that read no reply."""

    size: int
    """Bytes."""
    is_stopped: bool
    """Whether the server read no more."""
    is_answered: bool
    """Whether another client was, at that time."""


@dataclass(frozen=True, slots=True)
class Cap:
    """The largest message that was taken, and what the next one led to."""

    taken: int
    """Bytes."""
    tried: int
    after: After


@dataclass(frozen=True, slots=True)
class Flood:
    """Requests as fast as they could be sent."""

    sent: int
    answered: int
    closed: int | None
    is_useful: bool


@dataclass(frozen=True, slots=True)
class Skipped:
    """A check that was not made."""

    because: str


Outcome: TypeAlias = (
    After
    | Gone
    | Tried
    | CloseAnswer
    | Order
    | Times
    | UnderLoad
    | Wait
    | Left
    | Unread
    | Cap
    | Flood
    | Skipped
)
