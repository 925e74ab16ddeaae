"""What DATABASE_URL may say: each option works or stops the start with a sentence."""

import re
import subprocess
import sys
from typing import Any

import pytest

from sandbox.database.url import OPTIONS, SETTINGS, read_url
from sandbox.processes.servers import ARGUMENTS, ROOT, ServerError, free_port, installed, serve

SQLITE = "sqlite:///db.sqlite3"
POSTGRESQL = "postgres://ada:s3cret@db.example:6432/sandbox"


def read(url: str) -> dict[str, Any]:
    return read_url(url, threads=7)


@pytest.mark.parametrize("url", [SQLITE, POSTGRESQL])
@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ("conn_max_age=60", "CONN_MAX_AGE", 60),
        ("conn_max_age=0", "CONN_MAX_AGE", 0),
        ("conn_max_age=none", "CONN_MAX_AGE", None),
        ("conn_health_checks=false", "CONN_HEALTH_CHECKS", False),
        ("disable_server_side_cursors=True", "DISABLE_SERVER_SIDE_CURSORS", True),
    ],
)
def test_settings_of_django_are_no_options_of_the_driver(
    url: str, option: str, name: str, value: object
) -> None:
    """What Django has a setting for becomes that setting."""
    database = read(f"{url}?{option}")
    assert database[name] == value
    assert database["OPTIONS"] == read(url)["OPTIONS"]


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (f"{SQLITE}?timeout=2.5", {"timeout": 2.5}),
        (f"{SQLITE}?transaction_mode=DEFERRED", {"transaction_mode": "DEFERRED"}),
        (f"{POSTGRESQL}?sslmode=require", {"sslmode": "require"}),
        (f"{POSTGRESQL}?application_name=42", {"application_name": "42"}),
        (f"{POSTGRESQL}?connect_timeout=10", {"connect_timeout": 10}),
        (f"{POSTGRESQL}?currentSchema=mine", {"options": "-c search_path=mine"}),
        (f"{POSTGRESQL}?server_side_binding=true", {"server_side_binding": True}),
        ("postgres:///sandbox?host=%2Frun%2Fpg&port=1", {"host": "/run/pg", "port": "1"}),
        ("postgres://?service=sandbox", {"service": "sandbox"}),
    ],
)
def test_options_of_the_driver(url: str, options: dict[str, object]) -> None:
    """What the driver knows is passed on to it, as a value of the right type."""
    given = read(url)["OPTIONS"]
    assert {name: given[name] for name in options} == options


def test_a_pool_has_a_connection_for_each_thread() -> None:
    """A pool holds no more connections than there are threads, and Django holds none."""
    database = read(f"{POSTGRESQL}?pool=true&pool_min_size=2")
    assert database["CONN_MAX_AGE"] == 0
    pool = database["OPTIONS"]["pool"]
    assert (pool["min_size"], pool["max_size"]) == (2, 7)
    assert "pool" not in read(f"{POSTGRESQL}?pool=false")["OPTIONS"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "It is not the URL of a database"),
        ("s3cret", "It is not the URL of a database"),
        ("mysql://ada:s3cret@db.example/sandbox", "It is not the URL of a database"),
        ("postgres://ada:s3cret#@db.example/sandbox", "It is not the URL of a database"),
        ("postgres://ada:s3cret@db.example:99999/sandbox", "It is not the URL of a database"),
        ("postgres://ada:s3cret@db.example", "It does not name a database"),
        ("sqlite://", "name a file"),
        (f"{SQLITE}?conn_max_age=s3cret", "conn_max_age has to be a whole number, 0 or more"),
        (f"{SQLITE}?conn_max_age=-1", "conn_max_age has to be a whole number, 0 or more"),
        (f"{SQLITE}?conn_max_age=", "conn_max_age has to be a whole number, 0 or more"),
        (f"{SQLITE}?conn_max_age=1&conn_max_age=2", "conn_max_age is there twice"),
        (f"{SQLITE}?conn_health_checks=s3cret", "conn_health_checks has to be true or false"),
        (f"{SQLITE}?timeout=s3cret", "timeout has to be a number of seconds"),
        (f"{SQLITE}?max_age=60", "no option max_age. There are conn_max_age,"),
        (f"{SQLITE}?pool=true", "no option pool"),
        (f"{POSTGRESQL}?s3cret!", "no option of that name"),
        (f"{POSTGRESQL}?password=s3cret", "password is there twice"),
        (f"{POSTGRESQL}?passwort=s3cret", "no option passwort"),
        (f"{POSTGRESQL}?sslmode=s3cret", "sslmode has to be one of disable, allow,"),
        (f"{POSTGRESQL}?pool=true&conn_max_age=60", "conn_max_age can only be 0"),
        (f"{POSTGRESQL}?pool_max_size=5", "Without pool=true"),
        (f"{POSTGRESQL}?pool=true&pool_max_size=0", "pool_max_size has to be a whole number, 1"),
        (f"{POSTGRESQL}?pool=true&pool_min_size=8", "pool_min_size is over its pool_max_size, 7"),
    ],
)
def test_anything_else_is_refused(url: str, reason: str) -> None:
    """A sentence says which option is wrong and what it has to be, and repeats no value."""
    with pytest.raises(ValueError, match=reason) as refused:
        read(url)
    assert "s3cret" not in str(refused.value)
    assert str(refused.value).endswith(".")


def test_every_option_is_documented() -> None:
    """The page about the database names each option, and no other but those of libpq."""
    page = (ROOT / "docs" / "database.md").read_text()
    rows = re.findall(r"^\| (`.*?) \| (?:both|PostgreSQL|SQLite) \|", page, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {*SETTINGS, *(name for options in OPTIONS.values() for name in options)}


@pytest.mark.parametrize("server", ARGUMENTS)
def test_every_server_says_so_at_its_start(server: str) -> None:
    """However a server is started, an option that does not exist ends it with the sentence."""
    if server not in installed():
        pytest.skip(f"{server} is not installed.")
    with (
        pytest.raises(ServerError) as ended,
        serve(server, environment={"DATABASE_URL": f"{SQLITE}?max_age=60"}),
    ):
        pass
    assert "DATABASE_URL: It has no option max_age. There are conn_max_age" in str(ended.value)


def test_serve_says_so_at_its_start() -> None:
    """So does ``manage.py serve``, which watches the files of the project."""
    run = subprocess.run(
        [sys.executable, "manage.py", "serve", f"127.0.0.1:{free_port()}"],
        cwd=ROOT,
        env={"DATABASE_URL": f"{SQLITE}?max_age=60"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 1
    assert "DATABASE_URL: It has no option max_age." in run.stderr
    assert "Traceback" not in run.stderr
