"""What a run found, as data: the one source of the tables, the charts and the README's figures."""

from collections.abc import Sequence
from math import ceil
from statistics import median
from typing import TypeAlias

import msgspec
from msgspec import Struct

SCHEMA = 1
TRACE_SECONDS = 0.05

Latency: TypeAlias = dict[str, float]
"""Milliseconds by percentile, "p50" to "max"; empty where nothing was answered."""

PERCENTILES = {"p1": 0.01, "p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9}
PERCENTILES |= {"p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


class Spread(Struct, frozen=True):
    """One figure out of many rounds."""

    median: float
    low: float
    high: float


class Round(Struct, frozen=True):
    """One turn of an exhibit, and of the baseline just before it."""

    per_second: float
    baseline_per_second: float


class Throughput(Struct, frozen=True):
    """``echo``: round trips a second with one request in flight on each connection."""

    server: str
    exhibit: str
    connections: int
    payload_bytes: int
    per_second: Spread
    share_of_baseline: Spread
    cpu_microseconds: float
    """Of the server's processor time, for one round trip."""
    latency: Latency
    errors: int
    rounds: list[Round]


class Paced(Struct, frozen=True):
    """``latency``: at a fixed rate, counted from when each request was due."""

    server: str
    exhibit: str
    connections: int
    load: float
    """The rate as a share of what the exhibit can do at most."""
    rate: float
    latency: Latency
    p99: Spread
    errors: int


class Delayed(Struct, frozen=True):
    """``delay``: every request waits, so that only the waiting limits the rate."""

    server: str
    exhibit: str
    connections: int
    delay: float
    ideal_per_second: float
    share_of_ideal: Spread
    latency: Latency
    errors: int


class Stalled(Struct, frozen=True):
    """``stall``: what a neighbour waits while one exhibit blocks."""

    server: str
    blocker: str
    neighbour: str
    before_p99: Spread
    added_p99: Spread
    """Milliseconds, over that of the time before."""
    trace: list[float]
    """Of the first round: milliseconds of the slowest request due in each TRACE_SECONDS."""
    errors: int


class Idle(Struct, frozen=True):
    """``connections``: what open connections cost that say nothing."""

    server: str
    exhibit: str
    asked: int
    opened: int
    per_second: float
    kib_each: float
    threads_each: float
    kib_left: float
    """What the process holds more than before the first, when all have left."""


class Fanned(Struct, frozen=True):
    """``fanout``: one message to everybody in a room."""

    server: str
    exhibit: str
    layer: str
    processes: int
    members: int
    deliveries_per_second: Spread
    latency: Latency
    errors: int


class Ceiling(Struct, frozen=True):
    """What the client reaches against a server that does next to nothing."""

    protocol: str
    per_second: float


class Server(Struct, frozen=True):
    name: str
    version: str


class Refused(Struct, frozen=True):
    """An exhibit that was not measured, and why."""

    server: str
    exhibit: str
    reason: str


class Report(Struct):
    """A run. It is only ever added to."""

    started: str
    versions: dict[str, str]
    machine: dict[str, str | int]
    cores: str
    """Who ran where."""
    rounds: int
    seconds_each: float
    """How long one turn of one exhibit lasted."""
    schema: int = SCHEMA
    seconds: float = 0.0
    is_complete: bool = False
    servers: list[Server] = []
    refused: list[Refused] = []
    warnings: list[str] = []
    ceilings: list[Ceiling] = []
    echo: list[Throughput] = []
    latency: list[Paced] = []
    delay: list[Delayed] = []
    stall: list[Stalled] = []
    connections: list[Idle] = []
    fanout: list[Fanned] = []


def left_out(report: Report) -> str:
    """Say why some exhibits are in one table of ``echo`` only; nothing where all are in each."""
    cells: dict[tuple[str, int, int], set[str]] = {}
    for row in report.echo:
        cells.setdefault((row.server, row.connections, row.payload_bytes), set()).add(row.exhibit)
    everywhere = set.intersection(*cells.values()) if cells else set()
    once = {exhibit.partition("/")[0] for cell in cells.values() for exhibit in cell - everywhere}
    if not once & {"tutorial", "stock"}:
        return ""
    return (
        "Tutorials and stock's asynchronous types are shown at the usual load only: elsewhere they "
        "cost what stock's synchronous types and echo's asynchronous ones cost."
    )


def as_json(report: Report) -> bytes:
    return msgspec.json.encode(_rounded(report)) + b"\n"


def json_schema() -> bytes:
    """Describe what as_json() writes; ``schema.json`` holds it for other programs."""
    return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Report)), indent=1) + b"\n"


def from_json(document: bytes) -> Report:
    """Read what as_json() wrote. Raises msgspec.ValidationError on anything else."""
    report = msgspec.json.decode(document, type=Report, strict=False)
    if report.schema != SCHEMA:
        raise msgspec.ValidationError(f"Schema {report.schema}, where {SCHEMA} is known.")
    return report


def _rounded(value: object) -> object:
    """Give every figure four digits: what follows is noise."""
    builtins = msgspec.to_builtins(value)

    def walk(value: object) -> object:
        match value:
            case float():
                return float(f"{value:.4g}")
            case list():
                return [walk(item) for item in value]
            case dict():
                return {name: walk(item) for name, item in value.items()}
        return value

    return walk(builtins)


def spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def percentiles(latencies: Sequence[float]) -> Latency:
    """Read the percentiles off seconds, in milliseconds: the smallest that as many are under."""
    ordered = sorted(latencies)
    return {
        name: ordered[max(0, ceil(share * len(ordered)) - 1)] * 1000
        for name, share in PERCENTILES.items()
        if ordered
    }
