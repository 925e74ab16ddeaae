"""``bench database``, for real at its smallest: what it counts, and what it finds at any speed."""

import asyncio
import io
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, nullcontext
from dataclasses import replace
from pathlib import Path

import jsonschema
import psutil
import psycopg
import pytest
from django.core.management import CommandError, call_command

from sandbox.bench import testbed
from sandbox.bench.databases import (
    MAX_CONNECTIONS,
    Database,
    counting_clients,
    counting_files,
    missing_for_postgresql,
    postgresql_database,
    sqlite_database,
)
from sandbox.bench.exhibits import GROUPS, ISOLATIONS
from sandbox.bench.experiments import database
from sandbox.bench.experiments.database import DatabaseRow, DatabaseWays, Setting
from sandbox.bench.output.html import COLOURS
from sandbox.bench.output.json import SCHEMA_FILE, from_json
from sandbox.bench.plan import plan
from sandbox.bench.report import Report
from tests.support.missing import skip_outside_ci

THREADS = 32
"""The default of SYNC_THREADS."""
MORE_THAN_POSTGRESQL_ACCEPTS = MAX_CONNECTIONS + 10
LITTLE = replace(plan(quick=True, rounds=1, seconds=0.1, connections=[2]), asleep=0.2)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Database]:
    if missing := missing_for_postgresql():
        skip_outside_ci(missing)
    with postgresql_database() as found:
        yield found


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Database]:
    with sqlite_database() as found:
        yield found


async def measured(
    found: Database, setting: Setting, way: str, *sockets: int
) -> dict[tuple[int, bool], DatabaseRow]:
    """Measure one way; give its rows by the number of sockets, and whether they were asleep."""
    with ExitStack() as stack:
        bed = testbed.Testbed("daphne", [], {}, lasting=stack)
        experiment = DatabaseWays(bed, replace(LITTLE, sockets=sockets))
        experiment.databases[setting.database] = found
        await experiment.turn(setting, way)
    return {(row.sockets, row.asleep > 0): row for row in experiment.rows()}


@asynccontextmanager
async def clients(url: str, count: int) -> AsyncIterator[None]:
    async with await psycopg.AsyncConnection.connect(url):
        if count > 1:
            async with clients(url, count - 1):
                yield
        else:
            yield


@pytest.mark.asyncio
async def test_clients_of_postgresql_are_counted(postgres: Database) -> None:
    """Each open connection counts, but for the one that asks, and none that is closed."""
    async with counting_clients(postgres.url) as count:
        before = await count()
        async with clients(postgres.url, 3):
            during = await count()
        async with asyncio.timeout(20):
            while await count():  # a backend ends a moment after its client
                await asyncio.sleep(0.05)

    assert (before, during) == (0, 3)


@pytest.mark.asyncio
async def test_connections_to_sqlite_are_counted(tmp_path: Path) -> None:
    """Each connection of a process counts that has read something, until it is closed."""
    async with counting_files(psutil.Process()) as count:
        counts = [await count()]
        with ExitStack() as stack:
            for _ in range(3):
                connection = sqlite3.connect(tmp_path / "db.sqlite3")
                stack.enter_context(closing(connection))
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("SELECT * FROM sqlite_master").fetchall()
                counts.append(await count())
            connection.close()
            counts.append(await count())
        counts.append(await count())

    before = counts[0]  # of tests before this one
    assert [number - before for number in counts] == [0, 1, 2, 3, 2, 0]


@pytest.mark.asyncio
async def test_a_thread_each_exhausts_postgresql_and_a_pool_does_not(postgres: Database) -> None:
    """With an age, a thread each asks for more than there are; a pool holds one a thread."""
    setting = Setting("PostgreSQL", 600)
    many = MORE_THAN_POSTGRESQL_ACCEPTS

    each = (await measured(postgres, setting, "thread-each/sync", many))[many, False]
    pool = (await measured(postgres, setting, "pool/sync", many))[many, False]

    assert each.refused >= many - MAX_CONNECTIONS
    assert each.threads > THREADS
    assert pool.refused == 0
    assert 1 <= pool.held <= THREADS
    assert 1 <= pool.most_open <= THREADS
    assert pool.threads <= THREADS + 5
    assert pool.errors == each.errors == 0


@pytest.mark.asyncio
async def test_queries_that_take_long_wait_for_each_other_only_on_one_thread(
    sqlite: Database,
) -> None:
    """In stock ten slow queries follow one another, and the neighbour waits; not in the pool."""
    setting = Setting("SQLite", 600)

    stock = (await measured(sqlite, setting, "stock/wrapped", 1))[10, True]
    pool = (await measured(sqlite, setting, "pool/wrapped", 1))[10, True]

    assert stock.latency["max"].high > 9 * 200
    assert stock.neighbour["p99"].median > 5 * 200
    assert pool.latency["p1"].low >= 200  # each did wait
    assert pool.latency["max"].high < 9 * 200
    assert pool.neighbour["p99"].median < 5 * 200
    assert 1 / 0.2 < stock.per_second.median * 2 < pool.per_second.median <= 10 / 0.2


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["sqlite", "postgres"])
async def test_without_an_age_the_pool_holds_no_connection_at_rest(
    name: str, request: pytest.FixtureRequest
) -> None:
    """At CONN_MAX_AGE=0 there are replies to all, and no connection is open at rest."""
    found = request.getfixturevalue(name)
    setting = Setting({"sqlite": "SQLite"}.get(name, "PostgreSQL"), 0)

    row = (await measured(found, setting, "pool/async-orm", 4))[4, False]

    assert row.held == 0
    assert row.most_open <= 4
    assert row.refused == 0
    assert row.per_second.median > 0


@pytest.mark.asyncio
async def test_the_pool_of_psycopg_keeps_connections_for_all(postgres: Database) -> None:
    """With psycopg's pool a server holds connections at rest, though it has CONN_MAX_AGE=0."""
    setting = Setting("PostgreSQL", None)

    row = (await measured(postgres, setting, "stock/sync", 2))[2, False]

    assert 1 <= row.held <= THREADS
    assert row.refused == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("database")


@pytest.fixture(scope="module")
def printed(folder: Path, sqlite: Database) -> str:
    """Run the command with two of the ways, as if there were no PostgreSQL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "WAYS", ("thread-each/sync", "pool/async-orm"))
        patch.setattr(database, "missing_for_postgresql", lambda: "it is missing")
        patch.setitem(DatabaseWays.DATABASES, "SQLite", lambda: nullcontext(sqlite))
        stdout = io.StringIO()
        call_command(
            "bench",
            "database",
            "--quick",
            *("--rounds", "1", "--seconds", "0.05", "--connections", "2"),
            *("--json", str(folder / "report.json"), "--html", str(folder / "report.html")),
            stdout=stdout,
        )
    return " ".join(stdout.getvalue().split())


@pytest.fixture(scope="module")
def report(printed: str, folder: Path) -> Report:
    assert printed
    return from_json((folder / "report.json").read_bytes())


def test_a_run_measures_no_exhibits(report: Report, folder: Path) -> None:
    """A run of this experiment alone has its own rows only, which are as the schema says."""
    jsonschema.validate(
        json.loads((folder / "report.json").read_bytes()), json.loads(SCHEMA_FILE.read_bytes())
    )
    assert report.is_complete
    assert report.refused == []
    assert report.warnings == ["The database was SQLite only: it is missing."]
    assert {name for name, rows in report.results.items() if rows} == {"database"}
    assert [(row.exhibit, row.sockets) for row in report.results["database"]] == [
        ("thread-each/sync", 2),
        ("pool/async-orm", 2),
        ("thread-each/sync", 10),
        ("pool/async-orm", 10),
    ]


def test_tables_and_charts_say_what_decides(report: Report, printed: str, folder: Path) -> None:
    """Replies a second and the connections held are in the tables and in the chart."""
    row = report.results["database"][1]
    held = f"{row.per_second.median:,.0f}, {row.held} held"

    assert "database: 2 sockets, one query a message, on SQLite with CONN_MAX_AGE=600" in printed
    assert "database: 10 sockets, one query of 0.1 s each, on SQLite with" in printed
    assert "threads most rest refused" in printed
    page = (folder / "report.html").read_text()
    assert re.search(r"<h3>.*: 2 sockets, a query a message</h3>", page)
    assert held in page


def test_it_measures_no_exhibit_that_is_named() -> None:
    """To name an exhibit for an experiment that measures none is refused in a sentence."""
    with pytest.raises(CommandError, match="database measures no exhibits: do not name any"):
        call_command("bench", "database", "echo/websocket")


def test_isolations_have_a_colour_each() -> None:
    """The three kinds of isolation have different colours in the charts."""
    assert len({GROUPS.index(name) % COLOURS for name in ("stock", *ISOLATIONS)}) == 3


def test_a_full_run_measures_every_setting() -> None:
    """Each way has 1, 32 and 500 sockets, slow queries at an age, and idle sockets once."""
    experiment = DatabaseWays(testbed.Testbed("daphne", [], {}), plan())
    settings = experiment.settings()

    assert {(one.database, one.max_age) for one in settings} >= {("SQLite", 0), ("SQLite", 600)}
    if not missing_for_postgresql():
        assert [one.name for one in settings if one.database == "PostgreSQL"] == [
            "CONN_MAX_AGE=0",
            "CONN_MAX_AGE=600",
            "psycopg's pool",
        ]
    for setting in settings:
        loads = experiment.loads(setting, "pool/sync")
        busy = {one.sockets for one in loads if not one.asleep and not one.is_idle}
        assert busy == {1, 32, 500}
        assert {one.asleep for one in loads if one.sockets == 10} == (
            {0.5} if setting.max_age else set()
        )
