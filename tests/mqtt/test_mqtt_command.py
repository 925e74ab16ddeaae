"""``manage.py mqtt``: what it needs, how it starts, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from asyncio import run, to_thread
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from consumers.catalogue import DEVICES
from sandbox.management.shell import USAGE
from sandbox.mqtt.url import read_url
from sandbox.processes.child import child
from sandbox.processes.mosquitto import Mosquitto
from sandbox.processes.servers import ROOT, is_free
from tests.support.asgi import TIMEOUT
from tests.support.devices import Device, answered

ASYNC = next(one for one in DEVICES if one.is_async)
SYNC = next(one for one in DEVICES if not one.is_async)


class Command:
    """A running ``manage.py mqtt``, and what it prints."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.process = process
        self._output = output

    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, words: str) -> str:
        """Return the line with these words, once it is there."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.output().splitlines():
                if words in line:
                    return line
            time.sleep(0.02)
        raise AssertionError(self.output())

    def terminate(self) -> int:
        """Send SIGTERM; return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT)  # half of what a consumer may sleep


@contextmanager
def command(folder: Path, *arguments: str, **environment: str) -> Iterator[Command]:
    output = folder / "output"
    with (
        output.open("wb") as file,
        child(
            [sys.executable, "manage.py", "mqtt", *arguments],
            cwd=ROOT,
            env={**os.environ, "LOG_LEVEL": "INFO", **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        yield Command(process, output)


def test_without_a_broker_there_is_a_sentence(settings: Settings) -> None:
    """Neither MQTT_URL nor --broker: exit status 2, and what to set."""
    settings.MQTT_URL = ""
    with pytest.raises(CommandError, match="set MQTT_URL, such as mqtt://") as refused:
        call_command("mqtt")
    assert refused.value.returncode == USAGE


def test_sigterm_ends_it(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What was taken is answered, no sleep is waited for, and each connect has its end."""

    async def converse(process: Command) -> int:
        async with (
            Device(mosquitto.url, ASYNC.topic) as one,
            Device(mosquitto.url, SYNC.topic) as two,
        ):
            for device in (one, two):
                assert await device.ask(b'{"message": 1}') == b'{"message":1}'
                await device.send(b'{"message": 2, "delay": 0.2}')
                await device.send(b'{"message": 3}')
            async with Device(mosquitto.url, SYNC.topic) as slow:
                await slow.send(b'{"message": 4, "delay": 60}')
                for device in (one, two):  # the server has what was published before
                    await device.publish(b"", topic=device.topic)
                    assert await device.receive() == b'{"message":2}'
                status = await to_thread(process.terminate)
                for device in (one, two):
                    assert await device.receive() == b'{"message":3}'
                assert slow.messages.empty()
        return status

    environment = {"MQTT_URL": mosquitto.url, "MAX_DELAY": "60"}
    with command(tmp_path, **environment) as process:
        process.wait_for("connected")
        run(answered(mosquitto.url, ASYNC.topic))
        assert run(converse(process)) == 0
    lines = process.output().splitlines()
    assert sum(line.endswith(" connect") for line in lines) == 4
    assert sum(line.endswith(" disconnect") for line in lines) == 3  # all but the one that sleeps
    assert "Traceback" not in process.output()


def test_starts_a_broker_and_ends_it(mosquitto_program: None, tmp_path: Path) -> None:  # noqa: ARG001 # it skips
    """--broker says where the broker is, serves it, and leaves nothing behind."""
    with command(tmp_path, "--broker", "--client-id", "first-try") as process:
        url = process.wait_for("Started Mosquitto at").split()[-1].rstrip(".")
        run(answered(url, ASYNC.topic))
        broker = psutil.Process(process.process.pid).children()
        assert process.terminate() == 0
        assert not any(one.is_running() and one.status() != "zombie" for one in broker)
    assert is_free(read_url(url).port)


def test_an_interruption_before_it_serves_leaves_no_broker(
    mosquitto_program: None,  # noqa: ARG001 # it skips
    tmp_path: Path,
) -> None:
    """SIGTERM during the start ends the broker too."""
    with command(tmp_path, "--broker") as process:
        url = process.wait_for("Started Mosquitto at").split()[-1].rstrip(".")
        process.terminate()
    assert is_free(read_url(url).port)
    assert "Traceback" not in process.output()


def test_all_is_imported_before_it_starts_a_broker(
    mosquitto_program: None,  # noqa: ARG001 # it skips
    tmp_path: Path,
) -> None:
    """Python may ignore an interruption that comes during an import: the broker would stay."""
    with command(tmp_path, "--broker", PYTHONPROFILEIMPORTTIME="1") as process:
        process.wait_for("Serving the broker at")
    before, _, after = process.output().partition("Started Mosquitto at")
    assert "routing.urls" in before
    assert "import time:" not in after.partition("Serving the broker at")[0]
