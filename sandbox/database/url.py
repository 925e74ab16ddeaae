"""DATABASE_URL: the database that it names, and the options behind its question mark."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl

import dj_database_url

CONNECT_SECONDS = 3
"""How long to wait for a connection to PostgreSQL, or for one of the pool."""
POSTGRESQL = "django.db.backends.postgresql"
SQLITE = "django.db.backends.sqlite3"

Reader = Callable[[str], Any]
"""Reads the value of an option. Raises ValueError, which says what it has to be."""


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def _whole(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("a whole number, 0 or more")
    return int(text)


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise ValueError("a whole number, 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        raise ValueError("a number of seconds")
    return float(text)


def _age(text: str) -> int | None:
    return None if text.lower() == "none" else _whole(text)


def _one_of(*values: str) -> Reader:
    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return text

    return read


SETTINGS: dict[str, Reader] = {
    "conn_max_age": _age,
    "conn_health_checks": _flag,
    "disable_server_side_cursors": _flag,
}
"""Options that are settings of Django's, and not of the database's driver."""
POOL: dict[str, Reader] = {
    "pool_min_size": _whole,
    "pool_max_size": _count,
    "pool_timeout": _seconds,
}
OPTIONS: dict[str, dict[str, Reader]] = {
    SQLITE: {
        "timeout": _seconds,
        "transaction_mode": _one_of("DEFERRED", "IMMEDIATE", "EXCLUSIVE"),
        "init_command": str,
        "cached_statements": _whole,
    },
    POSTGRESQL: {
        "pool": _flag,
        **POOL,
        "assume_role": str,
        "server_side_binding": _flag,
        "prepare_threshold": _whole,
        "currentSchema": str,
        "connect_timeout": _count,
        "sslmode": _one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    },
}
"""The options of each database; PostgreSQL has those of libpq too."""
DEFAULTS: dict[str, dict[str, Any]] = {
    # In WAL mode readers do not wait for writers. A writer waits for another one for up to
    # "timeout" seconds, but a transaction that read first could not wait, hence IMMEDIATE.
    SQLITE: {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        "timeout": 5,
        "transaction_mode": "IMMEDIATE",
    },
    POSTGRESQL: {"connect_timeout": CONNECT_SECONDS},
}


def read_url(url: str, *, threads: int) -> dict[str, Any]:
    """Return the entry of DATABASES for a server that has so many threads.

    Raises ValueError with a sentence. It names options, but no value: one may be a password.
    """
    place, _, query = url.partition("?")
    database = _read_place(place)
    engine = database["ENGINE"]
    given = _read_options(query, engine)
    for name in ("user", "password", "host", "port"):
        if name in given and database[name.upper()]:
            raise ValueError(f"Its {name} is there twice.")
    if not (database["NAME"] or given.get("service")):
        raise ValueError("It does not name a database.")
    # Without an age each call of the ORM would open a connection of its own. A health check finds
    # those that have died.
    database |= {
        "CONN_MAX_AGE": given.pop("conn_max_age", 0 if given.get("pool") else 60),
        "CONN_HEALTH_CHECKS": given.pop("conn_health_checks", True),
        "DISABLE_SERVER_SIDE_CURSORS": given.pop("disable_server_side_cursors", False),
    }
    if pool := _pool(given, threads):
        if database["CONN_MAX_AGE"] != 0:
            raise ValueError("The pool keeps the connections: its conn_max_age can only be 0.")
        given["pool"] = pool
    if schema := given.pop("currentSchema", ""):
        given["options"] = f"{given.get('options', '')} -c search_path={schema}".strip()
    return {**database, "OPTIONS": {**DEFAULTS[engine], **given}}


def _read_place(place: str) -> dict[str, Any]:
    try:
        database: dict[str, Any] = {**dj_database_url.parse(place)}
    except ValueError:
        database = {}
    engine = database.get("ENGINE", "")
    if engine not in OPTIONS:
        raise ValueError(
            "It is not the URL of a database, such as sqlite:///db.sqlite3 or "
            "postgres://user:password@host:5432/name. Characters such as @, / and # in a password "
            "are written %40, %2F and %23."
        )
    if engine == SQLITE and database["NAME"] == ":memory:":
        raise ValueError("Each thread would have another database in memory: name a file.")
    if engine == POSTGRESQL and not find_spec("psycopg"):
        raise ValueError("PostgreSQL needs psycopg: pip install -e '.[postgres]' brings it.")
    return database


def _read_options(query: str, engine: str) -> dict[str, Any]:
    own = {**SETTINGS, **OPTIONS[engine]}
    libpq = _libpq_options() if engine == POSTGRESQL else {}
    options: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if (read := own.get(name) or libpq.get(name)) is None:
            shown = name if re.fullmatch(r"\w{1,40}", name) else "of that name"
            others = " and those of libpq" if libpq else ""
            raise ValueError(f"It has no option {shown}. There are {', '.join(own)}{others}.")
        if name in options:
            raise ValueError(f"Its option {name} is there twice.")
        try:
            options[name] = read(text)
        except ValueError as error:
            raise ValueError(f"Its option {name} has to be {error}.") from None
    return options


def _libpq_options() -> dict[str, Reader]:
    from psycopg import pq  # noqa: PLC0415 # an extra brings it

    keywords = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    return dict.fromkeys(keywords - {"client_encoding", "dbname"}, str)  # which Django sets


def _pool(options: dict[str, Any], threads: int) -> dict[str, Any]:
    """Take the options of psycopg's pool out of the others; empty if there is to be none."""
    given = {name.removeprefix("pool_"): options.pop(name) for name in POOL if name in options}
    if not options.pop("pool", False):
        if given:
            raise ValueError("Without pool=true it can have no other option of the pool.")
        return {}
    if not find_spec("psycopg_pool"):
        raise ValueError("A pool needs psycopg_pool: pip install -e '.[postgres]' brings it.")
    # After an outage a pool waits longer and longer until it connects again, unless it gives up:
    # then it does so as soon as it is asked for a connection.
    sizes = {"min_size": 1, "max_size": threads, "timeout": CONNECT_SECONDS, **given}
    if sizes["min_size"] > sizes["max_size"]:
        raise ValueError(f"Its pool_min_size is over its pool_max_size, {sizes['max_size']}.")
    return {**sizes, "reconnect_timeout": CONNECT_SECONDS}
