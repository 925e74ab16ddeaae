"""The probes: what is put to every exhibit, and what the contract wants to see.

One file a group, each a table of data. The replies are written out, for the tables state the
contract a second time, independently of consumers/contract.py. Where the servers differ, they state
what is seen on Daphne, the server that Channels brings; what the others do is in differences.py.
Only raw_http.py states what HTTP has, for Daphne too.

An edition names its table in the catalogue: ``Edition.probes`` is a key of TABLES.
"""

from collections.abc import Callable

from sandbox.compare.observations import Closed, Disconnect, ErrorReply
from sandbox.compare.probe import Probe
from sandbox.compare.probes.autobahn import cases
from sandbox.compare.probes.closing import CLOSING
from sandbox.compare.probes.delay import DELAY
from sandbox.compare.probes.handshake import HANDSHAKE
from sandbox.compare.probes.history import HISTORY, HISTORY_HTTP, KEPT
from sandbox.compare.probes.hosts import HOSTS
from sandbox.compare.probes.http import HTTP
from sandbox.compare.probes.json import JSON
from sandbox.compare.probes.limits import LIMITS
from sandbox.compare.probes.messages import MESSAGES
from sandbox.compare.probes.mirror import MIRROR
from sandbox.compare.probes.numbers import NUMBERS
from sandbox.compare.probes.raw_http import RAW_HTTP
from sandbox.compare.probes.raw_websocket import RAW_SCOPE, RAW_WEBSOCKET
from sandbox.compare.probes.recovery import RECOVERY
from sandbox.compare.probes.requests import REQUESTS
from sandbox.compare.probes.rooms import ACCEPT, ROOM, ROOM_HTTP
from sandbox.compare.probes.scope import SCOPE
from sandbox.compare.probes.text import TEXT
from sandbox.compare.probes.values import VALUES
from sandbox.compare.probes.violations import VIOLATIONS
from sandbox.compare.probes.worker import WORKER
from sandbox.compare.steps import Ask, Send

SETTINGS = {
    "MAX_DELAY": "1.0",
    "MAX_MESSAGE_BYTES": "65536",
    "MAX_DEPTH": "100",
    "HISTORY_KEPT": str(KEPT),
}
"""The settings that the tables are written for; the limits are the defaults."""

ECHO: tuple[Probe, ...] = (
    *VALUES,
    *TEXT,
    *NUMBERS,
    *JSON,
    *REQUESTS,
    *DELAY,
    *LIMITS,
    *MESSAGES,
    *RECOVERY,
)
"""What is asked of an echo, whatever its protocol."""

CONTRACT: tuple[Probe, ...] = (
    *ECHO,
    *VIOLATIONS,
    *CLOSING,
    *HANDSHAKE,
    *RAW_WEBSOCKET,
    *HOSTS,
    *HTTP,
    *RAW_HTTP,
)

NOT_IN_ROOMS = {
    # A neighbour in the room is heard too.
    "neighbours",
    # An error does not go through the layer, and overtakes.
    "error-behind-message",
    # The server's own caps are the same as elsewhere.
    "over-1-mib",
    "over-16-mib",
    # So is what they make of HTTP.
    *(probe.id for probe in RAW_HTTP),
    # Over HTTP only POST brings a message; GET follows the room.
    *(probe.id for probe in HTTP if not probe.id.startswith(("method-", "encoding-gzip", "http-"))),
}


ENCODED = next(probe for probe in HTTP if probe.id == "encoding-gzip")


def _expects_no_echo(probe: Probe) -> bool:
    """Whether the answer shows only what is wrong with a request, or how a connection ends."""
    return probe.applies_to("websocket") and all(
        isinstance(seen, ErrorReply | Closed | Disconnect) for seen in probe.expected
    )


def _asks_nothing(probe: Probe) -> bool:
    return not any(isinstance(step, Ask | Send) for step in probe.steps)


TABLES: dict[str, tuple[Probe, ...]] = {
    "contract": CONTRACT,
    "rooms": (
        *(probe for probe in CONTRACT if probe.id not in NOT_IN_ROOMS),
        *ROOM_HTTP,
        *ACCEPT,
        *ROOM,
    ),
    "history": (
        *filter(_expects_no_echo, CONTRACT),
        *HOSTS,
        ENCODED,
        *ACCEPT,
        *HISTORY_HTTP,
        *HISTORY,
    ),
    "worker": (*filter(_expects_no_echo, CONTRACT), *HOSTS, *WORKER),
    "mqtt": ECHO,
    "scope": (*SCOPE, *RAW_SCOPE, *filter(_asks_nothing, CLOSING), *HOSTS),
    "mirror": (
        *MIRROR,
        *VIOLATIONS,
        *filter(_asks_nothing, (*CLOSING, *HANDSHAKE)),
        *HOSTS,
    ),
}
SUITES: dict[str, Callable[[], tuple[Probe, ...]]] = {"mirror": cases}
"""What a test suite adds to a table, if it is installed."""


def table(name: str) -> tuple[Probe, ...]:
    """Return the whole table, a test suite's cases included. Raises MissingSuiteError."""
    return (*TABLES[name], *SUITES.get(name, tuple)())
