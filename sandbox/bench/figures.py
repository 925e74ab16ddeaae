"""``python -m sandbox.bench.figures``: write the README's figures, from the committed results.

A difference is stated only where no single round of the one lies within the rounds of the other.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

from consumers.catalogue import CATALOGUE, EDITIONS
from sandbox.bench.exhibits import BY_ID
from sandbox.bench.experiments.connections import ConnectionsRow
from sandbox.bench.experiments.echo import EchoRow
from sandbox.bench.experiments.stall import StallRow
from sandbox.bench.output.json import from_json
from sandbox.bench.report import Report
from sandbox.bench.spread import Spread
from sandbox.processes.servers import ROOT

README = ROOT / "README.md"
RESULTS = Path(__file__).parent / "results" / "figures.json"
MARKED = re.compile(r"(?<=<!-- figures -->\n).*(?=<!-- /figures -->)", re.DOTALL)

COMPARED = [one for one in EDITIONS.values() if one.measured and not one.is_baseline]
TYPES = {one.slug: one.type for one in CATALOGUE if one.edition in COMPARED}
PAIRS = (
    ("robustness", "echo", "tutorial"),
    ("isolation", "echo", "stock"),
    ("mixins", "tuned", "stock"),
)
"""Editions that differ in one thing, and what that is."""
CONNECTIONS, PAYLOAD = 32, 32
NO_DIFFERENCE = "no difference that this machine can show"
STALLED_MS = 500


def main() -> None:
    figures = render(from_json(RESULTS.read_bytes()))
    README.write_text(MARKED.sub(lambda _: figures, README.read_text()))


def render(report: Report) -> str:
    """Say in Markdown what was found. Raises KeyError if something was not measured."""
    return "\n".join([*_advice(report), *_tables(report), *_made_with(report)])


class _Found:
    """What was found on one server, by exhibit."""

    def __init__(self, report: Report, server: str) -> None:
        echo: list[EchoRow] = report.results["echo"]
        stall: list[StallRow] = report.results["stall"]
        connections: list[ConnectionsRow] = report.results["connections"]
        self.echo = {
            row.exhibit: row
            for row in echo
            if (row.server, row.connections, row.payload_bytes) == (server, CONNECTIONS, PAYLOAD)
        }
        self.stall = {(row.blocker, row.exhibit): row for row in stall if row.server == server}
        idle = [row for row in connections if row.server == server and not row.compression]
        self.idle = {row.exhibit: row for row in sorted(idle, key=lambda row: row.opened)}

    def per_second(self, exhibit: str) -> str:
        rate = self.echo[exhibit].per_second
        return f"{_rough(rate.median)} ({_rough(rate.low)} to {_rough(rate.high)})"

    def kib(self, exhibit: str) -> str:
        kib = self.idle[exhibit].kib_each
        return f"{kib.median:.0f} KiB ({kib.low:.0f} to {kib.high:.0f})"

    def cell(self, exhibit: str) -> str:
        row = self.echo[exhibit]
        share = row.share_of_baseline
        return (
            f"{_rough(row.per_second.median)}, "
            f"{share.median:.2f} ({share.low:.2f}-{share.high:.2f})"
        )

    def share(self, exhibit: str) -> Spread:
        return self.echo[exhibit].share_of_baseline

    def differ(self, exhibit: str, other: str) -> bool:
        return self.share(exhibit).is_apart_from(self.share(other))

    def times(self, exhibit: str, other: str) -> Spread:
        """How many times as much as the other, by their shares of the same baseline."""
        one, two = self.share(exhibit), self.share(other)
        return Spread(one.median / two.median, one.low / two.high, one.high / two.low)

    def comparison(self, exhibit: str, other: str) -> str:
        times = self.times(exhibit, other)
        if self.differ(exhibit, other):
            return f"**{_ratio(times.median)}** ({_range(times)})"
        return f"no difference ({_range(times)})"

    def summary(self, edition: str, other: str) -> str:
        """Compare two editions, type by type."""
        times = {slug: self.times(f"{edition}/{slug}", f"{other}/{slug}") for slug in TYPES}
        differing = [s for s in TYPES if self.differ(f"{edition}/{s}", f"{other}/{s}")]
        alike = [slug for slug in TYPES if slug not in differing]
        parts = []
        if differing:
            medians = [times[slug].median for slug in differing]
            parts.append(f"{_extent(medians)} times as many in {_named(differing)}")
        if alike:
            low, high = min(times[s].low for s in alike), max(times[s].high for s in alike)
            parts.append(f"{NO_DIFFERENCE} ({_ratio(low)} to {_ratio(high)}) in {_named(alike)}")
        return "; ".join(parts)

    def added_by(self, blocker: str) -> Spread:
        """Milliseconds that a blocker adds to the p99 of the others, in all single rounds."""
        added = [
            row.added_p99
            for (by, exhibit), row in self.stall.items()
            if by == blocker and exhibit != blocker
        ]
        if not added:
            raise KeyError(blocker)
        medians = sorted(one.median for one in added)
        return Spread(
            medians[len(medians) // 2],
            min(one.low for one in added),
            max(one.high for one in added),
        )

    def stalled_by(self, blocker: str) -> tuple[int, int]:
        """How many exhibits a blocker delays in every round, and of how many."""
        lows = [row.added_p99.low for (by, _), row in self.stall.items() if by == blocker]
        return sum(low > STALLED_MS for low in lows), len(lows)


def _rough(figure: float) -> str:
    """Keep two digits: the next run has others in the third."""
    return f"{float(f'{figure:.2g}'):,.0f}"


def _ratio(figure: float) -> str:
    return f"{figure:.1f}" if figure >= 2 else f"{figure:.2f}"  # noqa: PLR2004 # two digits


def _range(times: Spread) -> str:
    return f"{_ratio(times.low)} to {_ratio(times.high)}"


def _extent(medians: list[float]) -> str:
    low, high = _ratio(min(medians)), _ratio(max(medians))
    return low if low == high else f"{low} to {high}"


def _named(slugs: list[str]) -> str:
    if len(slugs) == len(TYPES):
        return "all types"
    return ", ".join(f"`{TYPES[slug]}`" for slug in slugs)


def _against(found: _Found, exhibit: str, other: str) -> str:
    if found.differ(exhibit, other):
        times = found.times(exhibit, other)
        return f"{_ratio(times.median)} times as many ({_range(times)})"
    return f"{NO_DIFFERENCE} ({_range(found.times(exhibit, other))})"


def _added(added: Spread) -> str:
    ranged = f"{added.low:+,.0f} to {added.high:+,.0f} ms in single rounds"
    if added.low > 0:
        return f"adds {added.median:,.0f} ms ({ranged}) to the p99 of the others in its process"
    return f"adds nothing that this machine can show ({ranged}) to the p99 of the others"


def _advice(report: Report) -> Iterator[str]:
    server = report.servers[0].name
    found = _Found(report, server)
    isolated, shared, asynchronous = "echo/websocket", "stock/websocket", "echo/async-websocket"
    neighbour = "stock/async-websocket"
    delayed = found.stall[shared, neighbour].added_p99
    stalled, of = found.stalled_by(shared)
    yield "\n" + _wrapped(
        f"""What one process on one core did, on {server.capitalize()}, {CONNECTIONS} connections,
        small messages, {report.in_front}. In brackets: the single rounds, lowest to highest."""
    )
    yield ""
    for warning in report.warnings:
        yield _wrapped(f"**{warning}**") + "\n"
    for point in (
        f"""**`AsyncWebsocketConsumer` is the one to start with**:
        {found.per_second(asynchronous)} echoes a second, {found.kib(asynchronous)} for an idle
        connection. All that it calls must be awaitable.""",
        f"""**`WebsocketConsumer` where your code blocks**, such as on the ORM:
        {found.per_second(isolated)} echoes a second, {found.kib(isolated)} for an idle connection.
        Put [`routing/isolation.py`](routing/isolation.py) in front, in which all connections share
        a bounded number of threads: then one that blocks for a second
        {_added(found.added_by(isolated))}.""",
        f"""**Put it in front of async consumers too.** Mounted as Channels leaves it (`stock`), a
        sync consumer that blocks for a second adds {delayed.median:,.0f} ms ({delayed.low:,.0f} to
        {delayed.high:,.0f}) to the p99 of `{neighbour}`, because Channels' async consumers wait for
        the one thread that all share. It delays {stalled} of the {of} exhibits in its process by
        half a second or more in every round. See it on the page, under Stall.""",
        f"""**Take the JSON types for their hooks, not for speed.** Against the plain type in the
        same edition: {_against(found, "echo/async-json-websocket", asynchronous)} for the async
        one, {_against(found, "echo/json-websocket", isolated)} for the sync one. Give them a codec
        that answers bad input: on their own they end the connection.""",
        f"""**`AsyncHttpConsumer` for single questions**: {found.per_second("echo/async-http")} a
        second.""",
        f"""**What robustness costs**: `echo` against `tutorial`, which ends the connection on bad
        input: {found.summary("echo", "tutorial")}.""",
        f"""**Where Channels' own cost for each message matters, lift
        [the mixins of `tuned`](consumers/tuned/mixins.py)**: against the same consumers without
        them (`stock`) {found.summary("tuned", "stock")}. They say what is given up.""",
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
        yield _wrapped(
            f"Round trips a second on {name}, and as a share of the baseline (single rounds):"
        )
        yield ""
        yield f"| | {' | '.join(f'`{edition.name}`' for edition in COMPARED)} |"
        yield "|---" * (len(COMPARED) + 1) + "|"
        for slug, type_ in TYPES.items():
            cells = (found.cell(f"{edition.name}/{slug}") for edition in COMPARED)
            yield f"| `{type_}` | {' | '.join(cells)} |"
        others = [one for one in found.echo if BY_ID[one].is_reference]
        cells = (f"`{one}` {found.cell(one)}" for one in others)
        yield "\n" + _wrapped(f"For comparison: {'; '.join(cells)}.") + "\n"
        yield f"How many times as many, on {name}:\n"
        yield f"| | {' | '.join(f'{what}: `{one}` / `{two}`' for what, one, two in PAIRS)} |"
        yield "|---" * (len(PAIRS) + 1) + "|"
        for slug, type_ in TYPES.items():
            cells = (found.comparison(f"{one}/{slug}", f"{two}/{slug}") for _, one, two in PAIRS)
            yield f"| `{type_}` | {' | '.join(cells)} |"
        yield ""


def _made_with(report: Report) -> Iterator[str]:
    names = ("python", "django", "channels", "asgiref")
    versions = ", ".join(f"{name.capitalize()} {report.versions[name]}" for name in names)
    yield _wrapped(
        f"""Measured on {report.started[:10]} with {versions}; {report.machine["cores"]} cores,
        {report.cores}; medians of {report.rounds} rounds. The baseline took its turn in the same
        seconds as each exhibit. Against itself it came to {_noise(report)} in single rounds: that
        is the noise. "No difference" means none that this machine can show: rounds of the one lie
        within the rounds of the other. `echo` and `stock` are the same classes, with isolation and
        without. `python manage.py bench` measures on your machine."""
    )
    yield ""


def _noise(report: Report) -> str:
    ranges = []
    for server in report.servers:
        found = _Found(report, server.name)
        itself = [found.share(one) for one in found.echo if BY_ID[one].is_baseline]
        low, high = min(one.low for one in itself), max(one.high for one in itself)
        ranges.append(f"{low:.2f} to {high:.2f} on {server.name.capitalize()}")
    return " and ".join(ranges)


if __name__ == "__main__":
    main()
