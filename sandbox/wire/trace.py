"""A record of what went over the wire, and when."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

EXCERPT_BYTES = 300


class Event(NamedTuple):
    """One thing that went over the wire."""

    at: float
    """Seconds since the trace began."""
    connection: int
    """1 is the first that was opened."""
    sent: bool
    kind: str
    size: int
    """Bytes of the payload."""
    excerpt: str
    """The beginning of the payload, as text where it is."""

    @property
    def milliseconds(self) -> str:
        return f"{self.at * 1000:.2f}"


@dataclass
class Trace:
    """All that went over one or more connections, in order."""

    excerpt_bytes: int = EXCERPT_BYTES
    events: list[Event] = field(default_factory=list)
    connections: int = 0
    began: float = field(default_factory=time.perf_counter)

    def add(
        self,
        connection: int,
        *,
        sent: bool,
        kind: str,
        payload: bytes = b"",
        size: int | None = None,
    ) -> None:
        """Record what has just come or gone; ``size`` where ``payload`` is only a part."""
        at = time.perf_counter() - self.began
        excerpt = payload[: self.excerpt_bytes].decode(errors="backslashreplace")
        size = len(payload) if size is None else size
        self.events.append(Event(at, connection, sent, kind, size, excerpt))


def frames(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Write events as plain values, for a report that programs read; ``at`` in seconds."""
    return [
        {
            "at": round(event.at, 6),
            "connection": event.connection,
            "direction": "sent" if event.sent else "received",
            "kind": event.kind,
            "bytes": event.size,
            "excerpt": event.excerpt,
        }
        for event in events
    ]
