"""Settings come from the environment; a wrong one stops the start with a sentence."""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from environs import ValidationError

from sandbox.processes.child import child
from sandbox.processes.servers import ROOT, free_port
from sandbox.settings import is_prefix


def start(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``manage.py`` with nothing of this machine's environment but its PATH."""
    return subprocess.run(
        [sys.executable, "manage.py", *(command or ("check",))],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_DELAY", "abc"),
        ("MAX_DELAY", "-1"),
        ("MAX_DELAY", "nan"),
        ("MAX_MESSAGE_BYTES", "2000000"),
        ("MAX_MESSAGE_BYTES", "0"),
        ("MAX_DEPTH", "10000"),
        ("DEBUG", "perhaps"),
        ("LOG_LEVEL", "LOUD"),
        ("DATABASE_URL", "nowhere"),
        ("ROOT_PATH", "app/"),
        ("BEHIND_PROXY", "perhaps"),
        ("MQTT_URL", "broker:1883"),
        ("MQTT_ROOMS", "lobby,a/b"),
        ("MQTT_ROOMS", "lobby, kitchen"),
        ("MQTT_ROOMS", ",".join(map(str, range(101)))),
    ],
)
def test_a_wrong_setting_stops_the_start(name: str, value: str) -> None:
    """A setting that makes no sense is named, with what is wrong, and nothing starts."""
    run = start(**{name: value})

    assert run.returncode == 1
    assert run.stderr.startswith("Cannot start with these settings of the environment.\n")
    assert f"{name}: " in run.stderr
    assert "Traceback" not in run.stderr


def test_all_wrong_settings_are_told_at_once() -> None:
    """Two mistakes are reported together, at one start."""
    run = start(MAX_DELAY="abc", MAX_DEPTH="abc")

    assert "MAX_DELAY: " in run.stderr
    assert "MAX_DEPTH: " in run.stderr


def test_there_is_no_secret_by_default_outside_debug() -> None:
    """Without DEBUG a secret key has to be given."""
    assert "SECRET_KEY: " in start(DEBUG="0").stderr
    assert start(DEBUG="0", SECRET_KEY="x" * 50).returncode == 0


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all.sqlite3", "postgres://127.0.0.1:1/nowhere"]
)
def test_a_database_that_does_not_answer_is_a_sentence(url: str) -> None:
    """A database that cannot be opened is said in one line."""
    run = start("migrate", DATABASE_URL=url)

    assert run.returncode == 1
    assert run.stderr.startswith("The database, or what Django needs for it (DATABASE_URL), says: ")
    assert "Traceback" not in run.stderr


ANYWHERE = "0.0.0.0"  # noqa: S104 # these servers end before they listen


def test_hosts_may_have_spaces_between_them() -> None:
    """ALLOWED_HOSTS may be written with spaces: a host that begins with one would let no one in."""
    read = "from django.conf import settings; print(settings.ALLOWED_HOSTS)"

    run = start("shell", "-c", read, ALLOWED_HOSTS="a.example, b.example")

    assert "['a.example', 'b.example']" in run.stdout


SAFE = {"DEBUG": "false", "SECRET_KEY": "x" * 50, "ALLOWED_HOSTS": "sandbox.example.org"}


@pytest.mark.parametrize("address", [ANYWHERE, "[::]"])
def test_a_network_is_not_served_as_a_developer_is(address: str) -> None:
    """Where other machines could connect, nothing starts, and the settings to set are named."""
    run = start("serve", f"{address}:1")

    assert (run.returncode, run.stdout) == (2, "")
    assert "set DEBUG=false, SECRET_KEY (" in run.stderr
    assert "Missing: DEBUG=false, SECRET_KEY, ALLOWED_HOSTS. " in run.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("DEBUG", "Missing: DEBUG=false. "),
        ("SECRET_KEY", "SECRET_KEY: Environment variable not set"),
        ("ALLOWED_HOSTS", "Missing: ALLOWED_HOSTS. "),
    ],
)
def test_each_of_the_three_settings_is_needed(name: str, said: str) -> None:
    """Two of the three settings are not enough, and the message says which one is missing."""
    others = {other: value for other, value in SAFE.items() if other != name}

    assert said in start("serve", f"{ANYWHERE}:1", **others).stderr


def test_with_the_three_settings_a_network_is_served(daphne_port: int) -> None:
    """With the three settings only a port that is taken keeps the server from listening."""
    run = start("serve", f"{ANYWHERE}:{daphne_port}", **SAFE)

    assert "Address already in use" in run.stderr


def test_any_address_of_this_machine_is_served(tmp_path: Path) -> None:
    """An address that only this machine can reach needs no setting, and answers by its name."""
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--noreload", f"127.0.0.3:{port}"]
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    request = f"HEAD / HTTP/1.1\r\nHost: 127.0.0.3:{port}\r\nConnection: close\r\n\r\n"
    answer = b""
    with child(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        while not answer and server.poll() is None:
            time.sleep(0.05)
            with suppress(OSError), socket.create_connection(("127.0.0.3", port), 30) as client:
                client.sendall(request.encode())
                answer = client.recv(100)

    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["app", "/app/", "/a//b", "/", "//", "/a b", "/..", "https://a"])
def test_a_prefix_is_a_path(path: str) -> None:
    """A ROOT_PATH that is no prefix of URL paths is refused."""
    with pytest.raises(ValidationError, match="Not a prefix of URL paths"):
        is_prefix(path)


@pytest.mark.parametrize("path", ["", "/app", "/a/b", "/v1.2/~user"])
def test_a_good_prefix_is_taken(path: str) -> None:
    """A ROOT_PATH may have several parts, or be empty."""
    is_prefix(path)


def test_a_deployment_checks_clean() -> None:
    """Without DEBUG and with the two settings that then are needed, Django finds nothing amiss."""
    key = "".join(map(chr, range(48, 120)))
    run = start("check", "--deploy", **{**SAFE, "SECRET_KEY": key})

    assert run.stdout + run.stderr == "System check identified no issues (3 silenced).\n"


def test_a_busy_port_is_a_sentence(daphne_port: int) -> None:
    """Serving on a port that is taken says so and ends, although there are files to watch."""
    run = start("serve", f"127.0.0.1:{daphne_port}")

    assert run.returncode == 1
    assert "Address already in use" in run.stderr
    assert "Traceback" not in run.stderr + run.stdout


def test_the_error_page_hides_what_may_be_secret() -> None:
    """The settings that Django's error page shows while DEBUG hold no password."""
    code = (
        "from sandbox.asgi import application\n"
        "from django.views.debug import get_default_exception_reporter_filter as reporter_filter\n"
        "print(reporter_filter().get_safe_settings())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "SECRET_KEY": "hunter2",
            "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0",
            "DATABASE_URL": "postgres://ada:hunter2@127.0.0.1:1/nowhere",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "'CHANNEL_LAYERS'" in run.stdout
    assert "hunter2" not in run.stdout + run.stderr
