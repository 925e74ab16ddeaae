"""How much is measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

SMALL = 32
"""Bytes of the usual request."""
USUAL = 32
"""Connections, where their number is not what is varied."""


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int = 5
    seconds: float = 0.5
    """How long one turn of one exhibit lasts, at the usual load."""
    connections: tuple[int, ...] = (1, USUAL, 256)
    payloads: tuple[int, ...] = (SMALL, 4 * 1024, 60 * 1024)
    loads: tuple[float, ...] = (0.5, 0.8)
    waiting: tuple[int, ...] = (USUAL, 128)
    idle: tuple[int, ...] = (100, 1000, 10_000)
    members: tuple[int, ...] = (2, 10, 50)
    rooms: tuple[str, ...] = (
        "rooms/websocket",
        "tuned-rooms/websocket",
        "rooms/async-websocket",
        "tuned-rooms/async-websocket",
    )
    several: tuple[str, ...] = (
        "echo/websocket",
        "echo/async-websocket",
        "tuned/websocket",
        "tuned/async-websocket",
    )
    """Exhibits that are measured on several processes of a server,"""
    processes: tuple[int, ...] = (1, 2, 4)
    """and how many these are."""
    sockets: tuple[int, ...] = (1, USUAL, 500)
    """That ask a database."""
    asleep: float = 0.5
    """Seconds that a slow query takes."""
    every_setting: bool = True
    """Of a database."""
    delivery: tuple[str, ...] = ("rooms/async-websocket", "history/async-websocket")
    clients: int = 200
    """Of a room whose connections are lost,"""
    messages: int = 2000
    """and how many it gets,"""
    messages_per_second: float = 50
    """at most so many a second."""
    doubles: bool = True
    """Whether to measure exhibits that cost what other ones cost, unless exhibits are named."""
    minutes: float = 2.0
    """How long traffic of every kind lasts."""
    every_probe: bool = True
    """Of compare, before anything is measured."""

    @property
    def usual(self) -> int:
        return USUAL if USUAL in self.connections else self.connections[0]

    @property
    def usual_size(self) -> int:
        return SMALL if SMALL in self.payloads else self.payloads[0]

    @property
    def short_seconds(self) -> float:
        """How long a turn lasts where a curve is drawn and no single figure is compared."""
        return self.seconds * 0.3


QUICK = Plan(
    rounds=2,
    seconds=0.2,
    connections=(USUAL,),
    payloads=(SMALL,),
    loads=(0.5,),
    waiting=(USUAL,),
    idle=(100,),
    members=(10,),
    rooms=("rooms/async-websocket",),
    several=("echo/async-websocket",),
    processes=(1, 2),
    sockets=(USUAL,),
    asleep=0.1,
    every_setting=False,
    clients=20,
    messages=200,
    messages_per_second=100,
    doubles=False,
    minutes=0.5,
    every_probe=False,
)
"""A minute's look."""


def plan(  # noqa: PLR0913 # as many as the command has options
    *,
    quick: bool = False,
    rounds: int | None = None,
    seconds: float | None = None,
    connections: Sequence[int] = (),
    payloads: Sequence[int] = (),
    idle: Sequence[int] = (),
    minutes: float | None = None,
) -> Plan:
    usual = QUICK if quick else Plan()
    counts = tuple(sorted(set(connections)))
    return replace(
        usual,
        rounds=rounds or usual.rounds,
        seconds=seconds or usual.seconds,
        minutes=minutes or usual.minutes,
        connections=counts or usual.connections,
        waiting=counts or usual.waiting,
        sockets=counts or usual.sockets,
        payloads=tuple(sorted(set(payloads))) or usual.payloads,
        idle=tuple(sorted(set(idle))) or counts or usual.idle,
    )
