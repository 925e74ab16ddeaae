"""``python -m sandbox.bench.figures``: write the README's figures, from the committed results.

A test holds the README to them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

from sandbox.bench.report import Report, from_json
from sandbox.processes.servers import ROOT

README = ROOT / "README.md"
RESULTS = Path(__file__).parent / "results" / "figures.json"
MARKED = re.compile(r"(?<=<!-- figures -->\n).*(?=<!-- /figures -->)", re.DOTALL)

TYPES = {
    "websocket": "WebsocketConsumer",
    "async-websocket": "AsyncWebsocketConsumer",
    "json-websocket": "JsonWebsocketConsumer",
    "async-json-websocket": "AsyncJsonWebsocketConsumer",
    "async-http": "AsyncHttpConsumer",
}
EDITIONS = ("tutorial", "stock", "echo", "tuned")
CONNECTIONS, PAYLOAD = 32, 32


def main() -> None:
    figures = render(from_json(RESULTS.read_bytes()))
    README.write_text(MARKED.sub(lambda _: figures, README.read_text()))


def render(report: Report) -> str:
    """Say in Markdown what was found. Raises KeyError if something was not measured."""
    return "\n".join([*_advice(report), *_tables(report), *_made_with(report)])


class _Found:
    """What was found on one server, by exhibit."""

    def __init__(self, report: Report, server: str) -> None:
        rows = [
            row
            for row in report.echo
            if (row.server, row.connections, row.payload_bytes) == (server, CONNECTIONS, PAYLOAD)
        ]
        self.rate = {row.exhibit: row.per_second.median for row in rows}
        self.share = {row.exhibit: row.share_of_baseline for row in rows}
        stalls = [row for row in report.stall if row.server == server]
        self.stall = {
            edition: max(
                row.added_p99.median
                for row in stalls
                if row.blocker == f"{edition}/websocket" and row.neighbour.startswith(edition)
            )
            for edition in {row.blocker.partition("/")[0] for row in stalls}
        }
        idle = [row for row in report.connections if row.server == server]
        self.idle = {row.exhibit: row for row in sorted(idle, key=lambda row: row.opened)}

    def per_second(self, exhibit: str) -> str:
        return f"{_rough(self.rate[exhibit]):,.0f}"

    def cell(self, exhibit: str) -> str:
        return f"{self.per_second(exhibit)} ({self.share[exhibit].median:.2f})"

    def over_tutorial(self) -> str:
        ratios = [
            self.share[f"echo/{slug}"].median / self.share[f"tutorial/{slug}"].median
            for slug in TYPES
        ]
        return f"{min(ratios):.2f} to {max(ratios):.2f}"

    def times(self, exhibit: str, other: str) -> str:
        """How many times as much as the other, by their shares of the same baseline."""
        return f"{self.share[exhibit].median / self.share[other].median:.1f}"


def _rough(figure: float) -> float:
    """Keep two digits: the next run has others in the third."""
    return float(f"{figure:.2g}")


def _advice(report: Report) -> Iterator[str]:
    server = report.servers[0].name
    found = _Found(report, server)
    asynchronous, synchronous = found.idle["echo/async-websocket"], found.idle["echo/websocket"]
    where = f"on {server.capitalize()}, {CONNECTIONS} connections, small messages"
    yield f"\nWhat one process on one core did, {where}:\n"
    for point in (
        f"""**`AsyncWebsocketConsumer` is the one to start with**:
        {found.per_second("echo/async-websocket")} echoes a second, {asynchronous.kib_each:.0f} KiB
        for an idle connection, no thread. All that it calls must be awaitable.""",
        f"""**`WebsocketConsumer` where your code blocks**, such as on the ORM:
        {found.per_second("echo/websocket")} echoes a second. As Channels leaves it, one that blocks
        for a second has its neighbours wait {found.stall["stock"]:.0f} ms, the async ones too.
        Mounted in a `ThreadSensitiveContext`, as in
        [`routing/isolation.py`](routing/isolation.py), it adds {max(found.stall["echo"], 0):.0f} ms
        to their slowest replies, and costs a thread and {synchronous.kib_each:.0f} KiB a
        connection. See it on the page, under Stall.""",
        f"""**The JSON types do {found.times("echo/async-json-websocket", "echo/async-websocket")}
        (async) and {found.times("echo/json-websocket", "echo/websocket")} (sync) times what the
        plain ones do**: take them for their hooks, not for speed, and give them a codec that
        answers bad input, for theirs ends the connection.""",
        f"""**`AsyncHttpConsumer` for single questions**: {found.per_second("echo/async-http")} a
        second. Who asks often is better off with a socket that stays open.""",
        f"""**Robustness is free**: `echo` does {found.over_tutorial()} times what the `tutorial`
        does, which dies of bad input.""",
        f"""**Where Channels' own cost for each message matters, lift
        [the mixins of `tuned`](consumers/tuned/mixins.py)**: async
        {found.times("tuned/async-websocket", "stock/async-websocket")} times, sync
        {found.times("tuned/websocket", "stock/websocket")} times, HTTP
        {found.times("tuned/async-http", "stock/async-http")} times stock. They say what is given
        up.""",
    ):
        yield _wrapped(f"- {point}", indent="  ")
    yield ""


def _wrapped(text: str, indent: str = "") -> str:
    words = " ".join(text.split())
    return fill(words, 100, subsequent_indent=indent, break_on_hyphens=False)


def _tables(report: Report) -> Iterator[str]:
    for server in report.servers:
        found = _Found(report, server.name)
        name = f"{server.name.capitalize()} {server.version}"
        yield f"Round trips a second on {name} (share of the baseline):\n"
        yield f"| | {' | '.join(f'`{edition}`' for edition in EDITIONS)} |"
        yield "|---" * (len(EDITIONS) + 1) + "|"
        for slug, name in TYPES.items():
            cells = (found.cell(f"{edition}/{slug}") for edition in EDITIONS)
            yield f"| `{name}` | {' | '.join(cells)} |"
        others = [
            one for one in found.rate if one.startswith(("baseline/", "starlette/", "fastapi/"))
        ]
        cells = (f"`{one}` {found.cell(one)}" for one in others)
        yield "\n" + _wrapped(f"Beside them: {', '.join(cells)}.") + "\n"


def _made_with(report: Report) -> Iterator[str]:
    names = ("python", "django", "channels", "asgiref")
    versions = ", ".join(f"{name.capitalize()} {report.versions[name]}" for name in names)
    noise = [
        row.share_of_baseline.median
        for row in report.echo
        if row.exhibit.startswith("baseline/")
        and (row.connections, row.payload_bytes) == (CONNECTIONS, PAYLOAD)
    ]
    yield _wrapped(
        f"""Measured on {report.started[:10]} with {versions}; {report.machine["cores"]} cores,
        {report.cores}; medians of {report.rounds} rounds, in brackets the share of the baseline,
        which took its turn beside each. Beside itself it came to {min(noise):.2f} to
        {max(noise):.2f}:
        that is the noise. `python manage.py bench` measures on your machine."""
    )
    yield ""


if __name__ == "__main__":
    main()
