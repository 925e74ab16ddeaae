"""Settings come from the environment; a wrong one stops the start with a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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
