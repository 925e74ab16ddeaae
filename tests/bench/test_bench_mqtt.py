"""``manage.py bench echo connections mqtt``, for real at its smallest: no figure matters."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from routing.topics import MOST_CONSUMERS
from sandbox.bench import testbed
from sandbox.bench.client import connect, disconnect
from sandbox.bench.exhibits import BY_ID, MEASURABLE, find
from sandbox.bench.experiments.connections import Connections
from sandbox.bench.experiments.delay import Delay
from sandbox.bench.experiments.latency import Latency
from sandbox.bench.load import first_reply, request
from sandbox.bench.output.json import from_json
from sandbox.bench.plan import plan
from sandbox.bench.report import IN_FRONT_OF_DEVICES, Report
from sandbox.bench.run import trivial_servers
from sandbox.processes.mosquitto import Mosquitto

MEASURED = {"mqtt/async-qos1", "bare/client-qos1"}


@pytest.fixture(scope="module")
def report(
    tmp_path_factory: pytest.TempPathFactory,
    mosquitto_program: None,  # noqa: ARG001 # it skips
) -> Report:
    """Measure one consumer."""
    folder: Path = tmp_path_factory.mktemp("bench")
    call_command(
        "bench",
        *("echo", "connections", "mqtt/async-qos1", "--quick"),
        *("--rounds", "1", "--seconds", "0.05", "--connections", "2"),
        *("--json", str(folder / "mqtt.json"), "--html", str(folder / "mqtt.html")),
        stdout=io.StringIO(),
    )
    html = (folder / "mqtt.html").read_text()
    assert "what two bare clients do through this broker" in html
    return from_json((folder / "mqtt.json").read_bytes())


def test_a_device_is_measured_against_two_bare_clients(report: Report) -> None:
    """An echo has its rate and its share of what a client without a consumer echoes."""
    rows = {row.exhibit: row for row in report.results["echo"]}

    assert report.is_complete
    assert rows.keys() == MEASURED
    for row in rows.values():
        assert row.server == "mosquitto"
        assert row.per_second.low > 0
        assert row.share_of_baseline.low > 0
        assert row.cpu_microseconds.low > 0
        assert row.latency["p99"].median > 0
        assert row.errors == 0


def test_an_idle_device_has_its_memory_in_the_protocol_server(report: Report) -> None:
    """Each idle device has asked once: the process that is measured has a consumer for it."""
    rows = {row.exhibit: row for row in report.results["connections"]}

    assert rows.keys() == MEASURED
    assert all(row.opened == row.asked == 2 for row in rows.values())
    (title,) = {Connections.title(row) for row in rows.values()}
    assert title.startswith("idle devices on mosquitto")


def test_a_report_of_devices_names_the_broker(report: Report) -> None:
    """The version is that of the broker, and the ceiling of the client is over MQTT."""
    (server,) = report.servers

    assert server.name == "mosquitto"
    assert server.version.startswith("2.")
    assert report.refused == []
    assert report.in_front == IN_FRONT_OF_DEVICES
    (ceiling,) = report.ceilings
    assert ceiling.protocol == "mqtt-qos1"
    assert ceiling.per_second > 0


def test_devices_do_not_disturb_the_others() -> None:
    """What is measured unless exhibits are named has no device, nor has a run of another one."""
    assert not any(one.is_device for one in MEASURABLE)
    assert not any(one.is_device for one in find(["echo/websocket"], peers=True))
    assert [one.id for one in find(["mqtt/sync-qos0"], peers=False)] == [
        "mqtt/sync-qos0",
        "bare/client-qos0",
    ]


def test_each_qos_is_measured() -> None:
    """The same consumer at another QoS costs something else; a bare client waits for no delay."""
    ids = ["mqtt/async-qos0", "mqtt/async-qos1"]
    bed = testbed.Testbed("mosquitto", find(ids, peers=False), {})

    assert {step.exhibit for step in Latency(bed, plan()).steps()} == {
        *ids,
        "bare/client-qos0",
        "bare/client-qos1",
    }
    assert {step.exhibit for step in Delay(bed, plan()).steps()} == set(ids)


def test_no_more_devices_are_idle_than_have_a_consumer() -> None:
    """Beyond the number of consumers that are kept, memory for each device would say nothing."""
    bed = testbed.Testbed("mosquitto", find(["mqtt/sync-qos0", "echo/websocket"], peers=False), {})
    experiment = Connections(bed, plan(idle=[10, 10 * MOST_CONSUMERS]))

    assert experiment.asked(BY_ID["mqtt/sync-qos0"]) == [10, MOST_CONSUMERS]
    assert experiment.asked(BY_ID["echo/websocket"]) == [10, 10 * MOST_CONSUMERS]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("echo", "mqtt", "tuned"), "mqtt/sync-qos0, mqtt/sync-qos1, mqtt/async-qos0,"),
        (("echo", "mqtt", "--server", "daphne"), "daphne does not serve mqtt/sync-qos0,"),
        (("echo", "tuned", "--server", "mosquitto"), "mosquitto does not serve tuned/websocket,"),
    ],
)
def test_a_server_fits_what_it_serves(arguments: tuple[str, ...], reason: str) -> None:
    """A broker serves devices, a server all others, and both are not measured in one run."""
    with pytest.raises(CommandError) as refused:
        call_command("bench", *arguments)
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.asyncio
async def test_the_client_of_the_load_speaks_mqtt(qos: int) -> None:
    """A device gets its own replies, as many times as it asks."""
    with trivial_servers() as urls:
        connections, refused = await connect(urls[f"mqtt-qos{qos}"], 3)
        assert not refused
        for connection in connections * 2:
            assert await first_reply(connection, request(40)) == request(40)
        await disconnect(connections)


@pytest.mark.asyncio
async def test_a_broker_that_refuses_is_counted(
    mosquitto_program: None,  # noqa: ARG001 # it skips
) -> None:
    """Devices that a broker does not let in are counted as refused."""
    with Mosquitto(users={"other": "secret"}) as broker:
        url = f"mqtt-qos0://127.0.0.1:{broker.port}/sandbox/echo/<client>/request"
        assert await connect(url, 2) == ([], 2)
