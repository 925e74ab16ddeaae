"""The README's figures come from the committed results, and from nowhere else."""

import pytest

from sandbox.bench.figures import EDITIONS, MARKED, README, RESULTS, TYPES, render
from sandbox.bench.report import Idle, Report, Server, Spread, Stalled, Throughput, from_json

EXHIBITS = [f"{edition}/{slug}" for edition in EDITIONS for slug in TYPES]


def made_up() -> Report:
    """A report in which everything is easy to tell: each exhibit has a rate of its own."""
    report = Report(
        started="2026-01-31T12:00:00+00:00",
        versions={"python": "3.13.1", "django": "6.1", "channels": "4.3.2", "asgiref": "3.13.0"},
        machine={"cores": 2},
        cores="server on core 0, client on core 1",
        rounds=5,
        seconds_each=0.2,
        servers=[Server("daphne", "4.2.3")],
    )
    for number, exhibit in enumerate([*EXHIBITS, "baseline/websocket", "baseline/http"], 1):
        rate, share = number * 1000.0, number / 20
        report.echo.append(
            Throughput(
                "daphne", exhibit, 32, 32, Spread(rate, rate, rate), Spread(share, share, share),
                100.0, {}, 0, [],
            )
        )  # fmt: skip
    for edition in EDITIONS:
        for neighbour in EXHIBITS:
            waited = 900.0 if edition == "stock" else 3.0
            report.stall.append(
                Stalled(
                    "daphne", f"{edition}/websocket", neighbour, Spread(1, 1, 1),
                    Spread(waited, waited, waited), [], 0,
                )
            )  # fmt: skip
    for exhibit, kib in (("echo/websocket", 58.0), ("echo/async-websocket", 27.0)):
        report.connections.append(Idle("daphne", exhibit, 1000, 1000, 900.0, kib, 1.0, 0.0))
    return report


def test_the_readme_shows_the_committed_figures() -> None:
    """What stands between the README's markers is what ``sandbox.bench.figures`` writes."""
    expected = render(from_json(RESULTS.read_bytes())) if RESULTS.exists() else ""

    (shown,) = MARKED.findall(README.read_text())
    assert shown == expected


def test_every_figure_is_measured() -> None:
    """Advice and tables hold the figures of the report, with what they were made with."""
    said = " ".join(render(made_up()).split())

    assert "12,000 echoes a second, 27 KiB for an idle connection" in said
    assert "has its neighbours wait 900 ms" in said
    assert "it adds 3 ms to their slowest replies, and costs a thread and 58 KiB" in said
    assert "async 2.4 times, sync 2.7 times, HTTP 2.0 times stock" in said
    assert (
        "| `WebsocketConsumer` | 1,000 (0.05) | 6,000 (0.30) | 11,000 (0.55) | 16,000 (0.80) |"
    ) in said
    assert "Beside them: `baseline/websocket` 21,000 (1.05)" in said
    assert "Beside itself it came to 1.05 to 1.10: that is the noise." in said
    assert "2026-01-31 with Python 3.13.1, Django 6.1, Channels 4.3.2" in said


@pytest.mark.parametrize("missing", ["echo", "stall", "connections"])
def test_nothing_is_said_that_was_not_measured(missing: str) -> None:
    """Results that lack an experiment give no figures at all."""
    report = made_up()
    getattr(report, missing).clear()

    with pytest.raises(KeyError):
        render(report)
