"""What a run found, as data: the one source of the tables, the charts and the figures of docs/."""

from typing import Any

from msgspec import Struct

SCHEMA = 3
IN_FRONT = "URL routing and an origin check in front of every exhibit, and no session stack"

IN_FRONT_OF_DEVICES = "a broker and the choice by topic in front of every consumer"


class Ceiling(Struct, frozen=True):
    """What the client reaches against a server that does next to nothing."""

    protocol: str
    per_second: float


class Server(Struct, frozen=True):
    name: str
    version: str
    environment: str = ""
    """The requirements of ``--with``; empty for the environment that bench ran in."""
    versions: dict[str, str] = {}
    """Of the packages that matter most, as far as they are in its environment."""


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
    """Where server and client ran."""
    rounds: int
    seconds_each: float
    """How long one turn of one exhibit lasted."""
    in_front: str = IN_FRONT
    """What a request went through between the server and an exhibit."""
    schema: int = SCHEMA
    seconds: float = 0.0
    is_complete: bool = False
    servers: list[Server] = []
    refused: list[Refused] = []
    notes: list[str] = []
    warnings: list[str] = []
    failures: list[str] = []
    """What is not as it has to be."""
    ceilings: list[Ceiling] = []
    results: dict[str, list[Any]] = {}
    """The rows of each experiment, by its name."""
