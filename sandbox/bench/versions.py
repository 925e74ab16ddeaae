"""``python -m sandbox.bench.versions FILE ...``: keep what docs/versions.md shows.

The files are those that ``compare --with ... --json`` has written.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from sandbox.bench.experiments.echo import EchoRow
from sandbox.bench.experiments.stall import StallRow
from sandbox.bench.output.json import from_json
from sandbox.bench.output.table import many
from sandbox.bench.report import Report

SPEED = Path(__file__).parent / "results" / "versions.json"
BEHAVIOUR = Path(__file__).parent.parent / "compare" / "results" / "versions.json"
SERVERS = ("daphne", "uvicorn", "hypercorn")
CHANGED_WITH_SERVER = ("channels", "daphne", "asgiref", "uvicorn", "hypercorn")
BLOCKER, NEIGHBOUR = "stock/websocket", "stock/async-websocket"


class Column(Struct, frozen=True):
    """A server in an environment."""

    server: str
    environment: str
    versions: dict[str, str]
    """Of what the document is about."""
    cells: int
    """Probes put to exhibits, but for what does not apply here."""
    not_applicable: int
    """Of these, what does not apply there."""
    others: int
    """Of these, what is seen to be other than here."""


class Change(Struct, frozen=True):
    """What is seen for the same reason in some environments, and not here."""

    server: str
    environments: list[str]
    reason: str
    probes: list[str]
    exhibits: list[str]
    there: list[str]
    here: list[str]


class Behaviour(Struct, frozen=True):
    """What is kept of the documents that compare writes."""

    started: list[str]
    columns: list[Column]
    changes: list[Change]


def digest(documents: Iterable[dict[str, Any]]) -> Behaviour:
    """Keep where an environment differs from the first one. Raises ValueError if undeclared."""
    started, columns, changes = [], [], dict[tuple[str, str], Change]()
    for document in documents:
        started.append(document["started"])
        cells = {
            (one["environment"], one["exhibit"], one["probe"]): one for one in document["cells"]
        }
        here = {key[1:]: one for key, one in cells.items() if not key[0]}
        for server in document["servers"]:
            environment = server["environment"]
            asked = [key for key, one in here.items() if one["verdict"] != "n/a"]
            there = [cells[environment, *key] for key in asked]
            others = [
                (one, here[key])
                for one, key in zip(there, asked, strict=True)
                if one["verdict"] != "n/a" and one["seen"] != here[key]["seen"]
            ]
            columns.append(
                Column(
                    server["name"],
                    environment,
                    {
                        name: server["versions"][name]
                        for name in CHANGED_WITH_SERVER
                        if name in server["versions"]
                    },
                    len(asked),
                    sum(one["verdict"] == "n/a" for one in there),
                    len(others),
                )
            )
            for one, usual in others:
                if one["verdict"] == "differs":
                    raise ValueError(f"{one['exhibit']} differs in {one['probe']}: declare it.")
                change = changes.setdefault(
                    (server["name"], one["reason"] or usual["reason"]),
                    Change(server["name"], [], one["reason"] or usual["reason"], [], [], [], []),
                )
                for known, new in (
                    (change.environments, environment),
                    (change.probes, one["probe"]),
                    (change.exhibits, one["exhibit"]),
                    (change.there, one["seen"]["words"]),
                    (change.here, usual["seen"]["words"]),
                ):
                    if new not in known:
                        known.append(new)
    return Behaviour(started, columns, list(changes.values()))


def table(name: str) -> str:
    """Return a table in Markdown, from the committed results."""
    if name in OF_SPEED:
        return "\n".join(OF_SPEED[name](from_json(SPEED.read_bytes())))
    behaviour = msgspec.json.decode(BEHAVIOUR.read_bytes(), type=Behaviour)
    return "\n".join(OF_BEHAVIOUR[name](behaviour))


def _columns(behaviour: Behaviour) -> Iterator[str]:
    yield from _head("server", "`--with`", "its versions", "cells", "not applicable", "other")
    for one in behaviour.columns:
        versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
        yield _row(
            one.server,
            _code(one.environment) or "none",
            versions,
            f"{one.cells:,}",
            f"{one.not_applicable:,}",
            f"{one.others:,}",
        )


def _behaviour(behaviour: Behaviour) -> Iterator[str]:
    yield from _head("what", "on", "seen with those versions", "seen with the newest", "probes")
    for one in behaviour.changes:
        yield _row(
            one.reason,
            f"{one.server} with {', '.join(map(_code, one.environments))}",
            _few(one.there),
            _few(one.here),
            f"{len(one.probes)}, such as {_code(one.probes[0])}, "
            f"at {many(len(one.exhibits), 'exhibit')}",
        )


def _upgrade(report: Report) -> Iterator[str]:
    """Say what the upgrade to Channels 4.2 does to an async consumer, on each server."""
    echo: Sequence[EchoRow] = report.results["echo"]
    stall: Sequence[StallRow] = report.results["stall"]
    share = {row.server: row.share_of_baseline for row in echo if row.exhibit == NEIGHBOUR}
    waits = {
        row.server: row.added_p99
        for row in stall
        if (row.blocker, row.exhibit) == (BLOCKER, NEIGHBOUR)
    }
    versions = "4.1", "4.2"
    yield from _head("on", "an async consumer", *(f"Channels {version}" for version in versions))
    for server in (one.name for one in report.servers if not one.environment):
        columns = [f"{server} with channels=={version}.*" for version in versions]
        name = server.capitalize()
        yield _row(
            name,
            "its echoes a second, as a share of those of a bare ASGI callable",
            *(f"{share[column].median:.2f}" for column in columns),
        )
        yield _row(
            name,
            "its wait, while a sync consumer blocks for a second",
            *(f"{round(waits[column].median)} ms" for column in columns),
        )


def _speed(report: Report) -> Iterator[str]:
    rows: Sequence[EchoRow] = report.results["echo"]
    exhibits = list(dict.fromkeys(row.exhibit for row in rows))
    found = {(row.server, row.exhibit): row.share_of_baseline for row in rows}
    yield from _head("share of bare ASGI", *map(_code, exhibits))
    for server in report.servers:
        shares = (found.get((server.name, exhibit)) for exhibit in exhibits)
        cells = [
            f"{share.median:.2f} ({share.low:.2f}-{share.high:.2f})" if share else "n/a"
            for share in shares
        ]
        yield _row(_named(server.name, server.version), *cells)


def _stall(report: Report) -> Iterator[str]:
    rows: Sequence[StallRow] = report.results["stall"]
    exhibits = list(dict.fromkeys(row.exhibit for row in rows))
    found = {(row.server, row.exhibit): row.added_p99 for row in rows if row.blocker == BLOCKER}
    yield from _head(f"ms added while {_code(BLOCKER)} blocks", *map(_code, exhibits))
    for server in report.servers:
        added = (found.get((server.name, exhibit)) for exhibit in exhibits)
        cells = [
            f"{one.median:,.0f} ({one.low:,.0f} to {one.high:,.0f})" if one else "n/a"
            for one in added
        ]
        cells[exhibits.index(BLOCKER)] = "it blocks"
        yield _row(_named(server.name, server.version), *cells)


def _named(server: str, version: str) -> str:
    """Name a server, with the packages that are others there: other servers do not run there."""
    name, _, environment = server.partition(" with ")
    others = tuple(one for one in SERVERS if one != name)
    packages = " ".join(one for one in environment.split() if not one.startswith(others))
    return f"{name} {version}" + (f" with {_code(packages)}" if packages else "")


def _few(words: Sequence[str]) -> str:
    shown = " or ".join(map(_code, words[:2]))
    return shown + (" and so on" if words[2:] else "")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _head(*columns: str) -> list[str]:
    return [_row(*columns), "|---" * len(columns) + "|"]


def _row(*columns: str) -> str:
    return "| " + " | ".join(one.replace("|", r"\|") for one in columns) + " |"


OF_BEHAVIOUR = {"columns": _columns, "behaviour": _behaviour}
OF_SPEED = {"upgrade": _upgrade, "speed": _speed, "stall": _stall}
"""What gives the lines of each table, by the name that stands in the mark of the page."""


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("Name the JSON files of compare: what they say replaces the kept results.")
    kept = digest(json.loads(Path(path).read_text()) for path in sys.argv[1:])
    BEHAVIOUR.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")
