"""Which checks are made, and the most that they send: said before anything is sent."""

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.checkup.acquaintance import MARKS, ROUND_TRIPS
from sandbox.checkup.check import KIB, MIB, Check, Cost
from sandbox.checkup.checks.bad_input import BAD_INPUT
from sandbox.checkup.checks.closing import CLOSING
from sandbox.checkup.checks.load import LOAD, SPEED
from sandbox.checkup.checks.opening import OPENING
from sandbox.checkup.target import Manner

CHECKS: tuple[Check, ...] = (*SPEED, *OPENING, *BAD_INPUT, *CLOSING, *LOAD)
ALIVE = 60
"""Connections, each with a request, that find out at most whether the server still answers."""
ACQUAINTANCE = Cost(MARKS + 8, MARKS + ROUND_TRIPS + 3)
SMALL = 2
"""So many times the known request, and some words more, is a message that is not large."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, and the most that it takes."""

    checks: tuple[Check, ...]
    left_out: tuple[Check, ...]
    """Those that flood or stall, where that is not allowed."""
    connections: int
    messages: int
    size: int
    """Bytes of payload."""

    def __str__(self) -> str:
        said = (
            f"{len(self.checks)} checks, one after another: up to {self.connections} connections, "
            f"{self.messages:,} messages and {max(1, round(self.size / MIB))} MiB in all"
        )
        if any(check.loads for check in self.checks):
            return (
                f"{said}. Among them are bad input, clients that vanish or do not read, a message "
                "of 16 MiB and a flood of 1,000 requests."
            )
        return (
            f"{said}. Among them are bad input and clients that vanish; nothing floods or stalls."
        )


def plan(manner: Manner, *, may_load: bool, chosen: Sequence[str] = ()) -> Plan:
    """Choose the checks: all, or those named by ``chosen``."""
    asked = [check for check in CHECKS if not chosen or check.id in chosen]
    checks = tuple(check for check in asked if may_load or not check.loads)
    costs = [ACQUAINTANCE]
    for check in checks:
        # A bad message is put a second time if its end might have been another one's doing, and in
        # a room another client makes a request to see whether its answer is only late.
        times = 2 if check.payload else 1
        again = Cost(times, 2 * times + 1, times * check.cost.size)
        costs.append(again if check.payload else check.cost)
        if check.payload is None:
            costs.append(Cost(0, check.cost.connections))  # the known request after a handshake
    connections = sum(cost.connections for cost in costs) + ALIVE
    messages = sum(cost.messages for cost in costs) + ALIVE
    small = SMALL * len(manner.request.encode()) + KIB // 4 + len((manner.slow or "").encode())
    size = sum(cost.size for cost in costs) + messages * small
    left_out = tuple(check for check in asked if check not in checks)
    return Plan(checks, left_out, connections, messages, size)
