"""The figures of the documents come from the committed results, and from nowhere else."""

import re
from pathlib import Path

import pytest

from consumers.mqtt import echo_async
from consumers.tuned.mixins import DirectDispatchMixin
from sandbox.bench import figures
from sandbox.bench.experiments.connections import ConnectionsRow
from sandbox.bench.experiments.echo import EchoRow
from sandbox.bench.experiments.fanout import FanoutRow
from sandbox.bench.experiments.stall import StallRow
from sandbox.bench.figures import (
    COMPARED,
    RESULTS,
    TYPES,
    section,
)
from sandbox.bench.output.json import from_json
from sandbox.bench.report import Report, Server
from sandbox.bench.spread import Spread
from sandbox.choices import rough

EXHIBITS = [f"{edition.name}/{slug}" for edition in COMPARED for slug in TYPES]


def around(median: float, share: float = 0.1) -> Spread:
    return Spread(median, median * (1 - share), median * (1 + share))


def echo(exhibit: str, rate: float, share: Spread) -> EchoRow:
    return EchoRow(
        server="daphne", exhibit=exhibit, connections=32, payload_bytes=32,
        per_second=around(rate), share_of_baseline=share, cpu_microseconds=around(100), latency={},
        rounds=[],
    )  # fmt: skip


def made_up() -> Report:
    """A report in which each exhibit has a rate of its own, and only tuned stands out."""
    report = Report(
        started="2026-01-31T12:00:00+00:00",
        versions={"python": "3.13.1", "django": "6.1", "channels": "4.3.2", "asgiref": "3.13.0"},
        machine={"cores": 2},
        cores="server on core 0, client on core 1",
        rounds=5,
        seconds_each=0.2,
        servers=[Server("daphne", "4.2.3")],
    )
    shares = {"echo": 0.3, "tutorial": 0.28, "stock": 0.3, "tuned": 0.9}
    rows = [
        echo(exhibit, number * 1000.0, around(shares[exhibit.partition("/")[0]]))
        for number, exhibit in enumerate(EXHIBITS, 1)
    ]
    rows.append(echo("baseline/websocket", 21_000, Spread(1.0, 0.76, 1.5)))
    rows.append(echo("baseline/http", 22_000, Spread(1.02, 0.85, 1.31)))
    report.results["echo"] = rows
    report.results["stall"] = [
        StallRow(
            server="daphne", exhibit=exhibit, blocker=blocker, before_p99=around(1), trace=[],
            added_p99=(
                Spread(900, 880, 950)
                if blocker == "stock/websocket" and exhibit != "echo/websocket"
                else Spread(1, -3, 7)
            ),
        )
        for blocker in ("echo/websocket", "stock/websocket", "tuned/websocket")
        for exhibit in EXHIBITS
    ]  # fmt: skip
    report.results["connections"] = [
        ConnectionsRow(
            server="daphne", exhibit=exhibit, asked=1000, opened=1000, per_second=around(900),
            kib_each=Spread(kib, kib - 1, kib + 1), threads_each=around(1), kib_left=around(1),
        )
        for exhibit, kib in (
            ("echo/websocket", 58.0), ("echo/async-websocket", 27.0), ("stock/websocket", 59.0),
        )
    ]  # fmt: skip
    report.results["fanout"] = [
        FanoutRow(
            server="daphne", exhibit=f"{edition}/{slug}", layer="in memory", processes=1,
            members=50, deliveries_per_second=around(rate), latency={},
        )
        for edition, rate in (("rooms", 10_000), ("tuned-rooms", 23_000))
        for slug in ("websocket", "async-websocket")
    ]  # fmt: skip
    return report


def written(report: Report) -> str:
    return " ".join(section("details", report).split())


def test_every_figure_is_measured() -> None:
    """Advice and tables hold the figures of the report, each with its range."""
    text = written(made_up())

    assert "2,000 (1,800 to 2,200) echoes a second, 27 KiB (26 to 28) for an idle" in text
    assert "echoes a second, 58 KiB (57 to 59) for an idle connection. Put" in text
    assert (
        "| `WebsocketConsumer` | 1,000, 0.30 (0.27-0.33) | 6,000, 0.28 (0.25-0.31) "
        "| 11,000, 0.30 (0.27-0.33) | 16,000, 0.90 (0.81-0.99) |"
    ) in text
    assert "For comparison: `baseline/websocket` 21,000, 1.00 (0.76-1.50);" in text
    assert "URL routing and an origin check in front of every exhibit" in text
    assert "2026-01-31 with Python 3.13.1, Django 6.1, Channels 4.3.2" in text


@pytest.mark.parametrize(
    ("results", "name", "cells"),
    [("OF_DEVICES", "ways", 6), ("OF_STREAMS", "ways", 2), ("OF_OTHER_SERVERS", "servers", 8)],
)
def test_what_is_compared_was_measured(
    results: str, name: str, cells: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other results, the cells of MQTT, of event streams or of other servers are others."""
    path = getattr(figures, results)
    other = tmp_path / path.name
    other.write_text(re.sub(r'"median":[^,]+', '"median":7654.321', path.read_text()))
    monkeypatch.setattr(figures, results, other)

    text = section(name, from_json(RESULTS.read_bytes()))

    assert len(re.findall(r"\| (7,700|7654\.3|7654 KiB) \(", text)) == cells


def test_mqtt_is_compared_with_what_has_the_same_mixins() -> None:
    """Devices and WebSockets are those of ``tuned``, and the fastest WebSockets get more echoes."""
    text = " ".join(section("when", from_json(RESULTS.read_bytes())).split())
    device, *sockets = (
        int(rate.replace(",", ""))
        for rate in re.findall(r"([\d,]+)(?= echoes a second at QoS 1| on \w+(?: and|,))", text)
    )

    assert DirectDispatchMixin in echo_async.EchoConsumer.__mro__
    assert f"{rough(tuned('daphne'))} on Daphne and {rough(tuned('uvicorn'))} on Uvicorn" in text
    assert device < max(sockets)


def tuned(server: str) -> float:
    rows = from_json(RESULTS.read_bytes()).results["echo"]
    (rate,) = (
        row.per_second.median
        for row in rows
        if (row.server, row.exhibit, row.connections, row.payload_bytes)
        == (server, "tuned/async-websocket", 32, 32)
    )
    return float(rate)


def test_the_noise_is_that_of_single_rounds() -> None:
    """The baseline against itself is quoted with its lowest and its highest round."""
    assert "came to 0.76 to 1.50 on Daphne in single rounds: that is the noise" in written(
        made_up()
    )


def test_what_lies_inside_the_noise_is_no_finding() -> None:
    """Where single rounds overlap no difference is stated, where they do not it is."""
    text = written(made_up())

    no_difference = "no difference that this machine can show (0.88 to 1.31)"
    assert f"ends the connection on bad input: {no_difference} in all types." in text
    assert "without them (`stock`) 3.0 times as many in all types." in text
    assert (
        "| `WebsocketConsumer` | no difference (0.88 to 1.31) | no difference (0.82 to 1.22) "
        "| 3.0 (2.5 to 3.7) |"
    ) in text


def test_rooms_are_compared_by_the_same_rule() -> None:
    """Rooms with the mixins are set against rooms without, in deliveries a second."""
    text = written(made_up())

    assert "| `WebsocketConsumer` | 10,000 (9,000 to 11,000) | 23,000 (21,000 to 25,000) |" in text
    assert "| `AsyncWebsocketConsumer` | 2.3 (1.88 to 2.8) |" in text


def test_the_figures_that_decide_are_in_one_table() -> None:
    """The table of the costs has echo and tuned on each server, with their rooms."""
    text = " ".join(section("costs", made_up()).split())

    assert "| | Daphne, `echo` | Daphne, `tuned` |" in text
    assert "| `WebsocketConsumer` | 1,000, 0.30 (0.27-0.33) | 16,000, 0.90 (0.81-0.99) |" in text
    assert (
        "| room of 50, `WebsocketConsumer` | 10,000 (9,000 to 11,000) | 23,000 (21,000 to 25,000) |"
    ) in text
    assert "An idle connection takes 27 KiB (26 to 28) with an `AsyncWebsocketConsumer`" in text


def test_the_answer_has_the_rates_that_were_measured() -> None:
    """Each type that is recommended has its round trips a second."""
    text = " ".join(section("answer", made_up()).split())

    assert "awaited: 2,000 echoes a second on Daphne. Sync if not: 1,000. HTTP if" in text


def test_who_waits_is_what_was_measured() -> None:
    """A table says what each type waits for a sync consumer, isolated and not."""
    text = " ".join(section("stall", made_up()).split())

    assert "| `AsyncWebsocketConsumer` | +900 (+880 to +950) | +1 (-3 to +7) |" in text
    assert "19 of them waited for half a second or more in every round" in text


def test_the_price_of_isolation_is_what_was_measured() -> None:
    """A table has each type without isolation, and with it."""
    text = " ".join(section("isolation", made_up()).split())

    assert (
        "| `WebsocketConsumer` | 11,000 (9,900 to 12,000) | 1,000 (900 to 1,100) "
        "| no difference (0.82 to 1.22) |"
    ) in text
    assert "59 KiB (58 to 60) for a `WebsocketConsumer` without isolation" in text


def test_each_layer_has_the_rate_that_was_measured() -> None:
    """A table has a row for each layer, with the rooms of both types."""
    text = section("layers", made_up())

    assert "| in memory, 1 process | 10,000 (9,000 to 11,000) | 10,000 (9,000 to 11,000) |" in text


def test_what_isolation_slows_down_is_named() -> None:
    """The answer says which types are slower or faster isolated, if that is more than noise."""
    report = made_up()
    assert "slower: none; faster: none." in section("isolation", report)
    assert "an echo is no slower than the noise shows on Daphne." in section(
        "isolation-answer", report
    )

    report.results["echo"][0] = echo("echo/websocket", 1000, Spread(0.2, 0.18, 0.24))

    assert "slower: `WebsocketConsumer`; faster: none." in " ".join(
        section("isolation", report).split()
    )
    assert re.search(
        r"an echo is slower by \d+ % with `WebsocketConsumer` on Daphne\.",
        " ".join(section("isolation-answer", report).split()),
    )

    report.results["echo"][0] = echo("echo/websocket", 1000, Spread(0.5, 0.45, 0.6))

    assert "slower: none; faster: `WebsocketConsumer`." in " ".join(
        section("isolation", report).split()
    )


def test_idle_memory_is_what_was_measured() -> None:
    """A table has the memory of each exhibit, the least first, and a dash where there is none."""
    report = made_up()
    report.servers.append(Server("uvicorn", "0.54.0"))

    lines = [line for line in section("memory", report).splitlines() if line.startswith("| `")]

    assert lines == [
        "| `echo/async-websocket` | 27 | - |",
        "| `echo/websocket` | 58 | - |",
        "| `stock/websocket` | 59 | - |",
    ]


def test_a_server_that_was_not_measured_is_named() -> None:
    """A table has a column for each server, also where there is no figure."""
    text = section("servers", made_up())

    assert "| | Daphne | Uvicorn | Hypercorn | Granian |" in text
    assert re.search(r"\| 2,000 \(1,800 to 2,200\) \| not measured \| [\d,]+ \(", text)


CELL = re.compile(r"\| ([\d,]+)(?: KiB)? \(")
"""A figure, before the range of its single rounds."""


def test_the_advice_on_servers_is_what_was_measured() -> None:
    """No server is faster than Uvicorn, and Granian holds several times as much memory."""
    *speeds, memory = re.findall(
        r"^\| (?:echoes|requests|an idle).*",
        section("servers", from_json(RESULTS.read_bytes())),
        re.MULTILINE,
    )
    for row in speeds:
        daphne, uvicorn, *others = (int(cell.replace(",", "")) for cell in CELL.findall(row))
        assert uvicorn >= max(daphne, *others)
    *others, granian = map(int, CELL.findall(memory))
    assert granian > 3 * max(others)


def test_what_polling_costs_is_computed_from_one_request() -> None:
    """A thousand clients that ask once a second take a thousand times what one request takes."""
    text = " ".join(section("polling", made_up()).split())

    assert "Each takes 100 microseconds of the server's processor" in text
    assert "1,000 clients that ask once a second take 10% of a core" in text
    assert "next to no processor time, and 26 MiB of memory" in text


def test_types_that_differ_are_named() -> None:
    """A comparison of two editions says for which types there is a difference."""
    report = made_up()
    report.results["echo"][0] = echo("echo/websocket", 1000, Spread(0.2, 0.18, 0.24))

    text = written(report)

    assert "bad input: 0.71 times as many in `WebsocketConsumer`; no difference" in text
    assert "(0.88 to 1.31) in `AsyncWebsocketConsumer`, `JsonWebsocketConsumer`," in text


def test_isolation_is_what_was_measured() -> None:
    """It says what a blocker adds with and without isolation, and how many exhibits it delays."""
    report = made_up()
    text = written(report)

    assert "adds nothing that this machine can show (-3 to +7 ms in single rounds)" in text
    adds = "adds 900 ms (+880 to +950 ms in single rounds) to the p99 of"
    assert f"{adds} `stock/async-websocket`" in text
    assert "It delays 19 of the 20 exhibits in its process" in text

    report.results["stall"] = [
        StallRow(
            server="daphne", exhibit=row.exhibit, blocker=row.blocker, before_p99=around(1),
            added_p99=Spread(40, 30, 60), trace=[],
        )
        for row in report.results["stall"]
    ]  # fmt: skip
    assert "adds 40 ms (+30 to +60 ms in single rounds) to the p99 of the others" in written(report)


def test_the_warnings_of_a_run_stand_with_its_figures() -> None:
    """What may be wrong with the figures is not left out."""
    report = made_up()
    report.warnings.append("The client was slow.")

    assert "**The client was slow.**" in section("details", report)


@pytest.mark.parametrize("missing", ["echo", "stall", "connections", "fanout"])
def test_nothing_is_stated_that_was_not_measured(missing: str) -> None:
    """Results that lack an experiment give no figures at all."""
    report = made_up()
    report.results[missing].clear()

    with pytest.raises(KeyError):
        section("details", report)
