"""The figures of docs/, from the committed results, in Markdown.

A difference is stated only where the rounds of the one and of the other do not overlap.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from consumers.catalogue import CATALOGUE, EDITIONS
from sandbox.bench.another_process import ECHO, ROOM, TO_DEVICES, TO_MEMBERS
from sandbox.bench.comparisons import comparisons
from sandbox.bench.exhibits import BY_ID
from sandbox.bench.experiments.connections import ConnectionsRow
from sandbox.bench.experiments.echo import EchoRow
from sandbox.bench.experiments.fanout import FanoutRow
from sandbox.bench.experiments.stall import StallRow
from sandbox.bench.experiments.workers import WorkersRow
from sandbox.bench.output.json import from_json
from sandbox.bench.output.table import Table, many, milliseconds
from sandbox.bench.report import Report
from sandbox.bench.spread import Spread, compared, ratio, ratios
from sandbox.choices import CONNECTIONS, MEMBERS, rough
from sandbox.choices import PAYLOAD_BYTES as PAYLOAD
from sandbox.compare.differences import SERVERS

RESULTS = Path(__file__).parent / "results" / "figures.json"
OF_DEVICES = RESULTS.with_name("devices.json")
"""What a run of ``bench`` on the edition of devices found: it has another server, and baseline."""
OF_STREAMS = RESULTS.with_name("streams.json")
"""What idle event streams hold."""
OF_OTHER_SERVERS = RESULTS.with_name("servers.json")
"""What Hypercorn and Granian do, in a run of their own: it has no rooms."""

COMPARED = [one for one in EDITIONS.values() if one.measured and not one.is_baseline]
TYPES = {one.slug: one.type for one in CATALOGUE if one.edition in COMPARED}
SHOWN = (("echo", "rooms"), ("tuned", "tuned-rooms"))
"""What the table of the costs has, each with what has rooms in the same way."""
ROOM_TYPES = ("websocket", "async-websocket")
NO_DIFFERENCE = "no difference that this machine can show"
STALLED_MS = 500
POLLING = 1000
"""Clients of the example."""


def section(name: str, report: Report) -> str:
    """Return a section in Markdown. Raises KeyError if something was not measured."""
    return "\n".join(SECTIONS[name](report))


def answer(report: Report) -> Iterator[str]:
    """Say in Markdown which type to take, each with its rate on the first server."""
    server = report.servers[0].name
    found = _Found(report, server)
    rates = (
        rough(found.echo[f"echo/{slug}"].per_second.median)
        for slug in ("async-websocket", "websocket", "async-http")
    )
    asynchronous, sync, http = rates
    yield _wrapped(
        f"""Async if everything you call can be awaited: {asynchronous} echoes a second on
        {server.capitalize()}. Sync if not: {sync}. HTTP if the client sends single requests, {http}
        a second, or only listens."""
    )
    yield ""


def costs(report: Report) -> Iterator[str]:
    """Say in Markdown what each type can do."""
    yield from _short_table(report)
    yield from _short_made_with(report)


def polling(report: Report) -> Iterator[str]:
    """Say in Markdown what polling costs."""
    server = report.servers[0].name
    found = _Found(report, server)
    microseconds = found.echo["echo/async-http"].cpu_microseconds.median
    mib = found.idle["echo/async-websocket"].kib_each.median * POLLING / 1024
    yield _wrapped(
        f"""**Polling** is single requests again and again. Each takes {rough(microseconds)}
        microseconds of the server's processor, also if there is no news. {POLLING:,} clients that
        ask once a second take {microseconds * POLLING / 1_000_000:.0%} of a core, and get news half
        a second late on average. {POLLING:,} idle WebSockets take next to no processor time, and
        {mib:.0f} MiB of memory. (`AsyncHttpConsumer` and `AsyncWebsocketConsumer` on
        {server.capitalize()}, on connections that are open already.)"""
    )
    yield ""


def when(report: Report) -> Iterator[str]:
    """Say in Markdown what MQTT costs next to WebSockets, both with the mixins of ``tuned``."""
    device, socket = "mqtt/async-qos1", "tuned/async-websocket"
    of_devices = _Found(from_json(OF_DEVICES.read_bytes()), "mosquitto")
    sockets = {one.name.capitalize(): _Found(report, one.name) for one in report.servers}
    first = report.servers[0].name.capitalize()
    rates = [
        f"{rough(found.echo[socket].per_second.median)} on {name}"
        for name, found in sockets.items()
    ]
    yield _wrapped(
        f"""Throughput is no reason to choose MQTT: devices get
        {rough(of_devices.echo[device].per_second.median)} echoes a second at QoS 1, WebSockets
        {" and ".join(rates)}, all with the [mixins of `tuned`](copying.md#the-mixins-of-tuned).
        The broker also uses a part of a second core. An idle device takes
        {of_devices.idle[device].kib_each.median:.1f} KiB, an idle WebSocket on {first}
        {sockets[first].idle[socket].kib_each.median:.0f} KiB. All protocols are in one table:
        [choosing](choosing.md#the-five-types)."""
    )
    yield ""


def worker(report: Report) -> Iterator[str]:
    """Say in Markdown what an echo costs that a worker gives."""
    yield _wrapped(
        f"""An echo takes {_alone(report, "worker/echo-async")} through a worker, and
        {_alone(report, ECHO)} in the server's own process. With {CONNECTIONS} clients at the same
        time, `echo-async` gives {_each_second(report, "worker/echo-async")} echoes a second,
        `echo-sync` {_each_second(report, "worker/echo-sync")}, and the server's own process
        {_each_second(report, ECHO)}. {_shared(report, "worker")}"""
    )
    yield ""


def bot(report: Report) -> Iterator[str]:
    """Say in Markdown how soon a bot answers, and how often."""
    yield _wrapped(
        f"""A member has the answer {_alone(report, "bot/async")} after its command, and its own
        message after {_alone(report, ROOM)}. With {CONNECTIONS} members at the same time, each in a
        room of its own, `bot-async` gives {_each_second(report, "bot/async")} answers a second, and
        `bot-sync` {_each_second(report, "bot/sync")}. {_shared(report, "worker")}"""
    )
    yield ""


def bridge(report: Report) -> Iterator[str]:
    """Say in Markdown what a message costs that goes through the bridge."""
    yield _wrapped(
        f"""A message takes {_alone(report, TO_MEMBERS)} from a device to a member,
        {_alone(report, TO_DEVICES)} from a member to a device, and {_alone(report, ROOM)} from a
        member to itself, at QoS 1. With {CONNECTIONS} of each at the same time, each pair in a room
        of its own, that is {_each_second(report, TO_MEMBERS)} messages a second to members,
        {_each_second(report, TO_DEVICES)} to devices, and {_each_second(report, ROOM)} without the
        bridge. {_shared(report, "bridge")}"""
    )
    yield ""


def _answered(report: Report, connections: int, exhibit: str) -> WorkersRow:
    rows: list[WorkersRow] = report.results["workers"]
    return {(row.connections, row.exhibit): row for row in rows}[connections, exhibit]


def _alone(report: Report, exhibit: str) -> str:
    return f"{milliseconds(_answered(report, 1, exhibit).latency, 'p50')} ms"


def _each_second(report: Report, exhibit: str) -> str:
    return _range(_answered(report, CONNECTIONS, exhibit).per_second)


def _shared(report: Report, process: str) -> str:
    server, cores = report.servers[0].name.capitalize(), int(report.machine["cores"])
    return (
        f"(Medians. {server}, the {process} and Redis shared {cores - 1} of {cores} cores; in "
        f"brackets the single rounds. Measured on {report.started[:10]}.)"
    )


def details(report: Report) -> Iterator[str]:
    """Say in Markdown all that was found."""
    yield from _advice(report)
    yield from _tables(report)
    yield from _made_with(report)


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
        fanout: list[FanoutRow] = report.results["fanout"]
        self.rooms = {
            (row.layer, row.exhibit): row.deliveries_per_second
            for row in fanout
            if (row.server, row.processes, row.members) == (server, 1, MEMBERS)
        }

    def per_second(self, exhibit: str) -> str:
        return _range(self.echo[exhibit].per_second)

    def kib(self, exhibit: str) -> str:
        kib = self.idle[exhibit].kib_each
        return f"{kib.median:.0f} KiB ({kib.low:.0f} to {kib.high:.0f})"

    def cell(self, exhibit: str) -> str:
        row = self.echo[exhibit]
        share = row.share_of_baseline
        return (
            f"{rough(row.per_second.median)}, {share.median:.2f} ({share.low:.2f}-{share.high:.2f})"
        )

    def deliveries(self, layer: str, exhibit: str) -> str:
        return _range(self.rooms[layer, exhibit])

    def share(self, exhibit: str) -> Spread:
        return self.echo[exhibit].share_of_baseline

    def differ(self, exhibit: str, other: str) -> bool:
        return self.share(exhibit).is_apart_from(self.share(other))

    def times(self, exhibit: str, other: str) -> Spread:
        """How many times as much as the other, by their shares of the same baseline."""
        return self.share(exhibit).over(self.share(other))

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
            parts.append(f"{NO_DIFFERENCE} ({ratio(low)} to {ratio(high)}) in {_named(alike)}")
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

    def isolated(self) -> dict[str, Spread]:
        """By type, how many times as many echoes there are with isolation."""
        return {slug: self.times(f"echo/{slug}", f"stock/{slug}") for slug in TYPES}

    def stalled_by(self, blocker: str) -> tuple[int, int]:
        """How many exhibits a blocker delays in every round, and of how many."""
        lows = [row.added_p99.low for (by, _), row in self.stall.items() if by == blocker]
        return sum(low > STALLED_MS for low in lows), len(lows)


def _extent(medians: list[float]) -> str:
    low, high = ratio(min(medians)), ratio(max(medians))
    return low if low == high else f"{low} to {high}"


def _named(slugs: list[str]) -> str:
    if len(slugs) == len(TYPES):
        return "all types"
    return ", ".join(f"`{TYPES[slug]}`" for slug in slugs)


def _against(found: _Found, exhibit: str, other: str) -> str:
    if found.differ(exhibit, other):
        times = found.times(exhibit, other)
        return f"{ratio(times.median)} times as many ({ratios(times)})"
    return f"{NO_DIFFERENCE} ({ratios(found.times(exhibit, other))})"


def _added(added: Spread) -> str:
    ranged = f"{added.low:+,.0f} to {added.high:+,.0f} ms in single rounds"
    if added.low > 0:
        return f"adds {added.median:,.0f} ms ({ranged})"
    return f"adds nothing that this machine can show ({ranged})"


def memory(report: Report) -> Iterator[str]:
    """Say in Markdown what idle connections hold.

    Have a row for each exhibit, and one for compression, a column for each server.
    """
    rows: list[ConnectionsRow] = report.results["connections"]
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if BY_ID[row.exhibit].is_baseline or not BY_ID[row.exhibit].is_reference:
            name = f"`{row.exhibit}`{', with compression' if row.compression else ''}"
            found.setdefault(name, {})[row.server] = row.kib_each.median
    if not found:
        raise KeyError("connections")
    yield from _markdown(
        "The server's memory for each idle WebSocket in KiB, with "
        f"{max(row.opened for row in rows):,} of them open, and no session stack",
        [f"{server.name.capitalize()} {server.version}" for server in report.servers],
        [
            (name, [f"{kib[it.name]:.0f}" if it.name in kib else "-" for it in report.servers])
            for name, kib in sorted(found.items(), key=lambda row: min(row[1].values()))
        ],
    )
    yield f"Measured on {report.started[:10]}, {report.machine['cores']} cores.\n"


def layers(report: Report) -> Iterator[str]:
    """Say in Markdown what a layer costs.

    Have a row for each layer and number of processes, a column for each type.
    """
    server = report.servers[0].name
    rows: list[FanoutRow] = report.results["fanout"]
    found = {
        (row.layer, row.processes, row.exhibit): row.deliveries_per_second
        for row in rows
        if (row.server, row.members) == (server, MEMBERS)
    }
    if not found:
        raise KeyError("fanout")
    ways = list(dict.fromkeys((layer, processes) for layer, processes, _ in found))
    yield from _markdown(
        f"Messages a second that the {MEMBERS} members of a room receive on {server.capitalize()}, "
        "all together",
        [f"`{TYPES[slug]}`" for slug in ROOM_TYPES],
        [
            (
                f"{layer}, {many(processes, 'process', 'processes')}",
                [_range(found[layer, processes, f"rooms/{slug}"]) for slug in ROOM_TYPES],
            )
            for layer, processes in ways
        ],
    )


def devices(report: Report) -> Iterator[str]:
    """Say in Markdown what devices cost.

    Have a row for each type and QoS.
    """
    connections: list[ConnectionsRow] = report.results["connections"]
    idle = {row.exhibit: row for row in connections}
    echo: list[EchoRow] = report.results["echo"]
    rows = [row for row in echo if not BY_ID[row.exhibit].is_baseline]
    if not rows:
        raise KeyError("echo")
    yield from _markdown(
        f"{rows[0].connections} devices with one request each in flight, and "
        f"{max(row.opened for row in connections):,} idle ones; in brackets the single rounds",
        ["round trips a second", "share of two bare clients", "p99 ms", "CPU µs", "KiB when idle"],
        [
            (
                f"`{row.exhibit}`",
                [
                    _range(row.per_second),
                    f"{row.share_of_baseline.median:.2f} ({ratios(row.share_of_baseline)})",
                    milliseconds(row.latency, "p99"),
                    f"{row.cpu_microseconds.median:.0f}",
                    f"{idle[row.exhibit].kib_each.median:.1f}",
                ],
            )
            for row in rows
        ],
    )
    yield _wrapped(
        f"""Measured on {report.started[:10]} with {report.servers[0].name.capitalize()}
        {report.servers[0].version}, {many(report.rounds, "round")}, {report.machine["cores"]}
        cores."""
    )
    yield ""


def servers(report: Report) -> Iterator[str]:
    """Say in Markdown what each server can do.

    Have a column for each server of this project, also where nothing was measured.
    """
    reports = report, from_json(OF_OTHER_SERVERS.read_bytes())
    found = {server.name: _Found(one, server.name) for one in reports for server in one.servers}

    def row(name: str, cell: Callable[[_Found], str]) -> tuple[str, list[str]]:
        return name, [cell(found[it]) if it in found else "not measured" for it in SERVERS]

    yield from _markdown(
        f"One process on one core, {CONNECTIONS} connections, small messages; in brackets the "
        "single rounds",
        [server.capitalize() for server in SERVERS],
        [
            row("echoes a second, `AsyncWebsocketConsumer`", _per_second_of("async-websocket")),
            row("echoes a second, `WebsocketConsumer`", _per_second_of("websocket")),
            row("requests a second, `AsyncHttpConsumer`", _per_second_of("async-http")),
            row("an idle `AsyncWebsocketConsumer`", lambda it: it.kib("echo/async-websocket")),
        ],
    )
    yield f"Measured on {report.started[:10]}, {report.machine['cores']} cores.\n"


def _per_second_of(slug: str) -> Callable[[_Found], str]:
    return lambda found: found.per_second(f"echo/{slug}")


def ways(report: Report) -> Iterator[str]:
    """Compare in Markdown how a client can be spoken to.

    Have a row for each protocol, and for each server that speaks it.
    """
    devices, streams = (from_json(path.read_bytes()) for path in (OF_DEVICES, OF_STREAMS))
    broker = devices.servers[0].name
    qos0, qos1 = (_found(devices, "echo", broker, f"mqtt/async-qos{qos}") for qos in (0, 1))
    rows = [
        (f"MQTT, QoS {qos}", [*_asked(row), _held(devices, broker, row.exhibit)])
        for qos, row in enumerate((qos0, qos1))
    ]
    for server in (one.name for one in report.servers):
        socket, requests = "tuned/async-websocket", "tuned/async-http"
        asked = {one: _asked(_found(report, "echo", server, one)) for one in (socket, requests)}
        name = server.capitalize()
        rows += [
            (f"WebSocket, {name}", [*asked[socket], _held(report, server, socket)]),
            (f"event stream, {name}", ["-", "-", _held(streams, server, "rooms/async-http")]),
            (f"single requests, {name}", [*asked[requests], "-"]),
        ]
    yield from _markdown(
        f"{CONNECTIONS} clients with one small request each in flight, and 1,000 idle clients; in "
        "brackets the single rounds",
        ["round trips a second", "p99 ms", "KiB for an idle client"],
        rows,
    )
    yield _wrapped(
        f"""A client of an event stream only listens. Between single requests the server holds
        nothing. At QoS 1 the broker keeps what is sent while a device is away; that has
        {qos1.per_second.median / qos0.per_second.median:.0%} of the round trips of QoS 0. All are
        async consumers in one process on one core, and all but the event streams have the mixins of
        `tuned`. The memory of {broker.capitalize()} itself is not counted. Measured on
        {" and ".join(sorted({one.started[:10] for one in (report, devices, streams)}))}."""
    )
    yield ""


def _found(report: Report, experiment: str, server: str, exhibit: str) -> Any:
    """Give the row of an exhibit. Raises KeyError."""
    for row in report.results[experiment]:
        if (row.server, row.exhibit) == (server, exhibit):
            return row
    raise KeyError(exhibit)


def _asked(row: EchoRow) -> list[str]:
    p99 = row.latency["p99"]
    return [_range(row.per_second), f"{p99.median:.1f} ({p99.low:.1f} to {p99.high:.1f})"]


def _held(report: Report, server: str, exhibit: str) -> str:
    kib = _found(report, "connections", server, exhibit).kib_each
    return f"{kib.median:.1f} ({kib.low:.1f} to {kib.high:.1f})"


def _range(rate: Spread) -> str:
    return f"{rough(rate.median)} ({rough(rate.low)} to {rough(rate.high)})"


def _advice(report: Report) -> Iterator[str]:
    server = report.servers[0].name
    found = _Found(report, server)
    isolated, shared, asynchronous = "echo/websocket", "stock/websocket", "echo/async-websocket"
    neighbour = "stock/async-websocket"
    delayed = found.stall[shared, neighbour].added_p99
    stalled, of = found.stalled_by(shared)
    yield "\n" + _wrapped(
        f"""One process on one core, with {server.capitalize()}, {CONNECTIONS} connections, small
        messages, and {report.in_front}. In brackets: the lowest and the highest single round."""
    )
    yield ""
    for warning in report.warnings:
        yield _wrapped(f"**{warning}**") + "\n"
    for point in (
        f"""**Start with `AsyncWebsocketConsumer`**:
        {found.per_second(asynchronous)} echoes a second, {found.kib(asynchronous)} for an idle
        connection. All that it calls must be awaitable.""",
        f"""**Take `WebsocketConsumer` if your code blocks**, as on the ORM:
        {found.per_second(isolated)} echoes a second, {found.kib(isolated)} for an idle connection.
        Put [`routing/isolation.py`](../routing/isolation.py) in front, with which all connections
        share a bounded number of threads. Then a consumer that blocks for a second
        {_added(found.added_by(isolated))} to the p99 of the others in its process.""",
        f"""**Put isolation in front of async consumers too.** Without it (`stock`), a sync consumer
        that blocks for a second {_added(delayed)} to the p99 of `{neighbour}`, because Channels'
        async consumers wait for the one thread that all share. It delays {stalled} of the {of}
        exhibits in its process by half a second or more in every round: those without isolation.
        The page Stall shows it.""",
        f"""**Take the JSON types for their hooks, not for speed.** Compared with the plain type in
        the same edition: {_against(found, "echo/async-json-websocket", asynchronous)} for the async
        type, {_against(found, "echo/json-websocket", isolated)} for the sync type. Give them a
        codec that answers bad input: Channels' own codec ends the connection.""",
        f"""**Take `AsyncHttpConsumer` for single requests**:
        {found.per_second("echo/async-http")} a second.""",
        f"""**What robustness costs**: `echo` compared with `tutorial`, which ends the connection on
        bad input: {found.summary("echo", "tutorial")}.""",
        f"""**If Channels' own cost for each message matters, copy
        [the mixins of `tuned`](../consumers/tuned/mixins.py)**: compared with the same consumers
        without them (`stock`) {found.summary("tuned", "stock")}. Each mixin says what you give
        up.""",
    ):
        yield _wrapped(f"- {point}", indent="  ")
    yield ""


def _wrapped(text: str, indent: str = "") -> str:
    words = " ".join(text.split())
    return fill(words, 100, subsequent_indent=indent, break_on_hyphens=False)


def stall(report: Report) -> Iterator[str]:
    """Say in Markdown who waits for whom.

    Have a column without isolation and one with it, and a row for each type that may wait.
    """
    server = report.servers[0].name
    found = _Found(report, server)
    stalled, of = found.stalled_by("stock/websocket")
    yield from _markdown(
        f"Milliseconds that a `WebsocketConsumer` which sleeps for a second adds to the 99th "
        f"percentile of others on {server.capitalize()}",
        ["without isolation (`stock`)", "with `isolation.py` (`echo`)"],
        [
            (
                f"`{type_}`",
                [
                    _milliseconds(found.stall["stock/websocket", f"stock/{slug}"]),
                    _milliseconds(found.stall["echo/websocket", f"echo/{slug}"]),
                ],
            )
            for slug, type_ in TYPES.items()
        ],
    )
    yield _wrapped(
        f"""The process had {of} consumers. While the `WebsocketConsumer` of `stock` slept,
        {stalled} of them waited for half a second or more in every round: those without isolation.
        """
    )
    yield ""


def _milliseconds(row: StallRow) -> str:
    added = row.added_p99
    return f"{added.median:+,.0f} ({added.low:+,.0f} to {added.high:+,.0f})"


def isolation_answer(report: Report) -> Iterator[str]:
    """Say in Markdown on which server isolation makes an echo of which type slower, by how much."""
    sentences = []
    for server in report.servers:
        found = _Found(report, server.name)
        slower = [
            f"{100 * (1 - times.median):.0f} % with `{TYPES[slug]}`"
            for slug, times in found.isolated().items()
            if times.high < 1
        ]
        by = f"slower by {' and by '.join(slower)}" if slower else "no slower than the noise shows"
        sentences.append(f"{by} on {server.name.capitalize()}")
    yield _wrapped(f"With isolation an echo is {', and '.join(sentences)}.")
    yield ""


def isolation(report: Report) -> Iterator[str]:
    """Say in Markdown what isolation costs.

    For each server: the types that become slower or faster, and a row for each type with its rate
    without isolation, its rate with it, and what lies between.
    """
    yield "\n" + _wrapped(
        """An echo, without a database: the same classes without isolation (`stock`) and with it
        (`echo`). In brackets: the single rounds. The last column compares the two rates in the same
        rounds, each as a share of the baseline."""
    )
    yield ""
    for server in report.servers:
        found = _Found(report, server.name)
        times = found.isolated()
        slower = [slug for slug, it in times.items() if it.high < 1]
        faster = [slug for slug, it in times.items() if it.low > 1]
        yield _wrapped(
            f"""**On {server.name.capitalize()}**, by more than the noise, slower:
            {_named(slower) if slower else "none"}; faster: {_named(faster) if faster else "none"}.
            """
        )
        yield ""
        yield from _markdown(
            f"Echoes a second on {server.name.capitalize()}",
            ["without isolation", "with it", "times as many"],
            [
                (
                    f"`{type_}`",
                    [
                        found.per_second(f"stock/{slug}"),
                        found.per_second(f"echo/{slug}"),
                        compared(found.share(f"echo/{slug}"), found.share(f"stock/{slug}")),
                    ],
                )
                for slug, type_ in TYPES.items()
            ],
        )
    found = _Found(report, report.servers[0].name)
    yield _wrapped(
        f"""Memory of an idle connection: {found.kib("stock/websocket")} for a
        `WebsocketConsumer` without isolation, {found.kib("echo/websocket")} with it."""
    )
    yield ""


def _short_table(report: Report) -> Iterator[str]:
    """Have a column for each server and edition, a row for each type and each kind of room."""
    found = [_Found(report, server.name) for server in report.servers]
    columns = [
        f"{server.name.capitalize()}, `{edition}`"
        for server in report.servers
        for edition, _ in SHOWN
    ]
    yield from _markdown(
        "Echoes a second, then as a share of a bare ASGI callable (not for rooms)",
        columns,
        [
            *(
                (f"`{type_}`", [one.cell(f"{e}/{slug}") for one in found for e, _ in SHOWN])
                for slug, type_ in TYPES.items()
            ),
            *(
                (
                    f"room of {MEMBERS}, `{TYPES[slug]}`",
                    [one.deliveries("in memory", f"{e}/{slug}") for one in found for _, e in SHOWN],
                )
                for slug in ROOM_TYPES
            ),
        ],
    )


def _tables(report: Report) -> Iterator[str]:
    for server in report.servers:
        found = _Found(report, server.name)
        name = f"{server.name.capitalize()} {server.version}"
        yield from _markdown(
            f"Round trips a second on {name}, and as a share of the baseline (single rounds)",
            [f"`{edition.name}`" for edition in COMPARED],
            [
                (f"`{type_}`", [found.cell(f"{edition.name}/{slug}") for edition in COMPARED])
                for slug, type_ in TYPES.items()
            ],
        )
        others = [one for one in found.echo if BY_ID[one].is_reference]
        cells = (f"`{one}` {found.cell(one)}" for one in others)
        yield _wrapped(f"For comparison: {'; '.join(cells)}.") + "\n"
        shares = {exhibit: found.share(exhibit) for exhibit in found.echo}
        yield from _compared(
            comparisons(f"How many times as many, by share of the baseline, on {name}", shares)
        )
        for layer in dict.fromkeys(["in memory", *(layer for layer, _ in found.rooms)]):
            rooms = {
                exhibit: rate for (over, exhibit), rate in found.rooms.items() if over == layer
            }
            yield from _markdown(
                f"Messages a second that the {MEMBERS} members of a room receive, all together, "
                f"{layer}, on {name}",
                [f"`{edition}`" for _, edition in SHOWN],
                [
                    (f"`{TYPES[slug]}`", [found.deliveries(layer, f"{e}/{slug}") for _, e in SHOWN])
                    for slug in ROOM_TYPES
                ],
            )
            yield from _compared(comparisons(f"How many times as many, {layer}, on {name}", rooms))


def _compared(tables: Iterator[Table]) -> Iterator[str]:
    for table in tables:
        rows = [
            (f"`{TYPES[row.exhibit]}`", row.cells) for row in table.rows if row.exhibit in TYPES
        ]
        yield from _markdown(table.title, table.headings, rows)


def _markdown(
    title: str, headings: Sequence[str], rows: Iterable[tuple[str, Sequence[object]]]
) -> Iterator[str]:
    yield _wrapped(f"{title}:") + "\n"
    yield f"| | {' | '.join(headings)} |"
    yield "|---" * (len(headings) + 1) + "|"
    for name, cells in rows:
        yield f"| {name} | {' | '.join(map(str, cells))} |"
    yield ""


def _short_made_with(report: Report) -> Iterator[str]:
    found = _Found(report, report.servers[0].name)
    yield _wrapped(
        f"""One process on one core, {CONNECTIONS} connections, small messages; in brackets the
        single rounds. The rows of a room are the messages a second that all its members receive
        together, in `rooms` and `tuned-rooms`. An idle connection takes
        {found.kib("echo/async-websocket")} with an `AsyncWebsocketConsumer` and
        {found.kib("echo/websocket")} with a `WebsocketConsumer`. Measured on
        {report.started[:10]}, {report.machine["cores"]} cores."""
    )
    yield ""


def _made_with(report: Report) -> Iterator[str]:
    names = ("python", "django", "channels", "asgiref")
    versions = ", ".join(f"{name.capitalize()} {report.versions[name]}" for name in names)
    yield _wrapped(
        f"""Measured on {report.started[:10]} with {versions}; {report.machine["cores"]} cores,
        {report.cores}; medians of {report.rounds} rounds. The baseline was measured in the
        same seconds as each exhibit. Compared with itself it came to {_noise(report)} in single
        rounds: that is the noise. "No difference" means none that this machine can show: the rounds
        of the two overlap. `echo` and `stock` are the same classes, with isolation and without."""
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


SECTIONS: dict[str, Callable[[Report], Iterator[str]]] = {
    "answer": answer,
    "costs": costs,
    "stall": stall,
    "isolation": isolation,
    "isolation-answer": isolation_answer,
    "memory": memory,
    "polling": polling,
    "layers": layers,
    "devices": devices,
    "servers": servers,
    "when": when,
    "ways": ways,
    "worker": worker,
    "bot": bot,
    "bridge": bridge,
    "details": details,
}
"""What gives the lines of each, by the name that stands in the mark of a document."""
