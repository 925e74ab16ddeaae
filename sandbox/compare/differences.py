"""The differences that are known, each with its reason.

What differs and is not here is a failure; what is here and no longer seen is one too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

LOOSE_EDITIONS = {"tutorial"}


@dataclass(frozen=True, slots=True)
class Difference:
    """What is seen instead of what the contract says, and why."""

    probes: tuple[str, ...]
    exhibits: tuple[str, ...]
    """Ids, or patterns of ids."""
    seen: str | Mapping[str, str]
    """The words for it, where servers differ in it by server."""
    reason: str
    servers: tuple[str, ...] = ("daphne", "uvicorn", "hypercorn", "granian")


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        ("neighbours",),
        ("stock/websocket", "stock/json-websocket"),
        "the neighbour waits",
        "Channels runs all synchronous consumers of a process on one thread.",
    ),
)


def declared(probe: str, exhibit: str, server: str) -> tuple[str, str] | None:
    """What is declared to be seen in a cell, and why."""
    for difference in DIFFERENCES:
        if (
            probe in difference.probes
            and server in difference.servers
            and any(fnmatchcase(exhibit, pattern) for pattern in difference.exhibits)
        ):
            seen = difference.seen
            return (seen if isinstance(seen, str) else seen[server]), difference.reason
    return None
