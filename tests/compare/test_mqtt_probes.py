"""``manage.py compare mqtt``: the probes of the contract over the topics of a real broker."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sandbox.compare import brokers
from sandbox.compare.engine import Target
from sandbox.compare.output import matrix
from sandbox.compare.output.json import as_json
from sandbox.compare.probes import ECHO
from sandbox.compare.report import Report
from sandbox.management.shell import USAGE
from sandbox.processes import mosquitto
from sandbox.processes.mosquitto import Mosquitto
from sandbox.processes.servers import free_port
from tests.compare.conftest import scratch_copy
from tests.compare.test_command import break_in, compare

DEVICES = 2


@pytest.fixture(scope="module")
def broker_url(mosquitto_program: None) -> Iterator[str]:  # noqa: ARG001 # it skips
    """A broker on which the devices are answered."""
    with brokers.serving({"LOG_LEVEL": "WARNING"}) as server:
        yield server.url


def refusal(*arguments: str) -> str:
    """Return why the command does not run."""
    with pytest.raises(CommandError) as refused:
        call_command("compare", *arguments)
    assert refused.value.returncode == USAGE
    return str(refused.value)


def test_devices_get_what_the_contract_says(broker_url: str) -> None:
    """Both consumers of devices answer every probe that applies byte for byte as the contract."""
    stdout = StringIO()
    call_command("compare", "mqtt", "--url", broker_url, stdout=stdout)
    apply = sum(probe.applies_to("mqtt") for probe in ECHO) * DEVICES
    others = len(ECHO) * DEVICES - apply
    assert f"{apply} same, {others} n/a, in " in stdout.getvalue()
    assert "An MQTT message comes in one part." in stdout.getvalue()
    assert apply > 150


def test_a_broken_reply_is_seen(
    tmp_path: Path,
    mosquitto_program: None,  # noqa: ARG001 # it skips
) -> None:
    """One byte too many in a reply makes the exit status 1, and shows what came."""
    tree = scratch_copy(tmp_path)
    break_in(
        tree,
        "consumers/mqtt/replies.py",
        "encode(answer(request)).encode()",
        'encode(answer(request)).encode() + b" "',
    )
    done = compare("mqtt/async", "--probe", "null", tree=tree)
    assert done.returncode == 1, done.stderr
    assert '{"message":null} ' in done.stdout
    assert "mqtt on mosquitto" in done.stdout


def test_a_device_is_compared_by_itself() -> None:
    """Exhibits with a URL and those with a topic are not compared in one run."""
    assert refusal("echo", "mqtt").startswith(
        "mqtt/sync, mqtt/async have no URL: compare them alone"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("mqtt", "--server", "daphne"), "daphne does not serve mqtt/sync: choose from mosquitto."),
        (("echo", "--server", "mosquitto"), "mosquitto does not serve echo/websocket: choose from"),
        (("mqtt", "--url", "http://127.0.0.1:1"), "mqtt/sync needs the URL of a broker, such as"),
        (("--url", "mqtt://127.0.0.1:1"), "echo/websocket needs the URL of a server."),
        (("mqtt", "--url", "mqtt://me:secret@"), "This is no URL of a broker: it has no host."),
    ],
)
def test_servers_and_urls_fit_the_exhibits(arguments: tuple[str, ...], reason: str) -> None:
    """A broker serves devices, a server all others, and the reason says which fits."""
    assert refusal(*arguments).startswith(reason)


def test_a_broker_that_is_not_there_is_no_difference() -> None:
    """A broker that does not answer is named, without the password of its URL."""
    url = f"mqtt://me:secret@127.0.0.1:{free_port()}"
    reason = refusal("mqtt", "--url", url)
    assert reason.startswith("The broker at 127.0.0.1:")
    assert "does not answer" in reason
    assert "secret" not in reason


def test_a_password_is_in_no_report() -> None:
    """What a report says of a broker is its URL without user and password."""
    target = Target("mosquitto", "at 127.0.0.1:1883", "mqtts://me:secret@127.0.0.1:1883")
    report = Report("2026-01-01T00:00:00+00:00", 1.0, (target,), (), ())

    for written in (as_json(report), json.dumps(matrix.document(report))):
        assert "mqtts://127.0.0.1:1883" in written
        assert "secret" not in written


def test_a_broker_without_the_protocol_server_is_no_difference(mosquitto: Mosquitto) -> None:
    """Where a broker is there and no answer comes, the reason says what to start."""
    assert "start manage.py mqtt" in refusal("mqtt", "--url", mosquitto.url)


def test_without_a_mosquitto_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no Mosquitto is installed, the command says so, and does not fail as a comparison."""
    monkeypatch.setattr(mosquitto, "find_mosquitto", lambda: None)
    assert refusal("mqtt") == mosquitto.NO_PROGRAM
