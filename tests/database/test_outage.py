"""A PostgreSQL that does not answer: who notices, what a client gets, what the log says."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from subprocess import Popen
from typing import Any
from urllib.parse import urlencode

import pytest

from sandbox.processes.migration import migrate
from sandbox.processes.postgresql import Cluster
from sandbox.processes.servers import Server, serve
from sandbox.wire import ClosedError, Response, http, websocket
from tests.support.postgresql import all_connections_taken, frozen, held, new_cluster

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]

TIMEOUT = 40.0
SESSION = ("Cookie", f"sessionid={'a' * 32}")
OCTAL = r"\351"
"""A letter outside ASCII, as a cookie can hold it."""
UNAVAILABLE = "The database does not answer: try again in a moment."
Fault = Callable[[Cluster, "Popen[bytes]"], AbstractContextManager[None]]


@contextmanager
def stopping(_: Cluster, process: "Popen[bytes]") -> Iterator[None]:
    process.send_signal(signal.SIGINT)
    process.wait()
    yield


def taking_all_connections(cluster: Cluster, _: "Popen[bytes]") -> AbstractContextManager[None]:
    return all_connections_taken(cluster.url)


def freezing(_: Cluster, process: "Popen[bytes]") -> AbstractContextManager[None]:
    return frozen(process)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with new_cluster(max_connections=10) as made:
        with made.running():
            migrate(made.url)
        yield made


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Iterator[Server]:
    """A server that connects for each call, and so is hit by an outage at once."""
    url = f"{cluster.url}?conn_max_age=0&connect_timeout=2"
    with serve(environment={"DATABASE_URL": url, "REDIS_URL": ""}) as server:
        yield server


async def get(server: Server, path: str, *headers: tuple[str, str]) -> Response:
    return await http("GET", server.url + path, headers=headers, timeout=TIMEOUT)


async def sign_in(server: Server) -> Response:
    token = "a" * 32
    form = {"username": "ada", "password": "lovelace", "csrfmiddlewaretoken": token}
    headers = [
        ("Cookie", f"csrftoken={token}"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    body = urlencode(form).encode()
    return await http("POST", f"{server.url}/login/", headers=headers, body=body, timeout=TIMEOUT)


@asynccontextmanager
async def opened(server: Server, path: str, *headers: tuple[str, str]) -> AsyncIterator[Any]:
    async with websocket(server.url + path, headers=headers, timeout=TIMEOUT) as connection:
        yield connection


async def assert_available(server: Server) -> None:
    for path in ("/scope/async-http/", "/scope/"):
        assert (await get(server, path, SESSION)).status == 200
    assert (await sign_in(server)).status == 200  # the form again: there is no such user
    async with opened(server, "/scope/websocket/", SESSION) as connection:
        assert "user" in json.loads(await connection.receive(TIMEOUT))


async def assert_a_session_is_unavailable(server: Server) -> None:
    response = await get(server, "/scope/async-http/", SESSION)
    assert (response.status, response.header("retry-after")) == (503, "1")
    assert json.loads(response.body)["error"] == {"code": "unavailable", "detail": UNAVAILABLE}

    async with opened(server, "/scope/websocket/", SESSION) as connection:
        assert UNAVAILABLE in await connection.receive(TIMEOUT)
        with pytest.raises(ClosedError) as closed:
            await connection.receive(TIMEOUT)
    assert closed.value.code == 4013  # of Daphne; it cannot send 1013

    for page in (await get(server, "/scope/", SESSION), await sign_in(server)):
        assert (page.status, page.header("retry-after")) == (503, "1")
        assert b"The database does not answer" in page.body


async def assert_others_do_not_notice(server: Server) -> None:
    for path in ("/", "/rooms/", "/login/"):
        assert (await get(server, path, SESSION)).status == 200
    assert (await get(server, "/scope/")).status == 200
    assert (await get(server, "/scope/async-http/")).status == 200
    async with opened(server, "/scope/websocket/") as connection:
        assert await connection.receive(TIMEOUT)
    async with opened(server, "/echo/websocket/", SESSION) as connection:
        await connection.send('{"message": 1}')
        assert await connection.receive(TIMEOUT) == '{"message":1}'


@asynccontextmanager
async def back(cluster: Cluster, process: "Popen[bytes]", server: Server) -> AsyncIterator[None]:
    """Let the database run again, and wait until sessions are there again."""
    with nullcontext() if process.poll() is None else cluster.running():
        async with asyncio.timeout(TIMEOUT):
            while (await get(server, "/scope/async-http/", SESSION)).status != 200:
                await asyncio.sleep(0.1)
        yield


def assert_logged(log: str, *whats: str) -> None:
    """An outage is one line when it begins, one when it ends, and nothing else."""
    for what in whats:
        assert log.count(f"The database cannot be {what}: ") == 1
        assert log.count(f"The database can be {what} again.") == 1
    assert log.count("The database ") == 2 * len(whats)
    assert "Traceback" not in log
    assert "psycopg" not in log


@pytest.mark.parametrize("fault", [stopping, taking_all_connections, freezing])
async def test_only_what_needs_the_database_notices(
    cluster: Cluster, server: Server, fault: Fault
) -> None:
    """Sessions and history are unavailable until it answers again, and all else goes on."""
    before = len(server.log())
    with cluster.running() as process:
        async with opened(server, "/history/lobby/async-websocket/") as member:
            with fault(cluster, process):
                await assert_a_session_is_unavailable(server)
                await assert_others_do_not_notice(server)
                await member.send('{"message": "not stored"}')
                assert UNAVAILABLE in await member.receive(TIMEOUT)
            async with back(cluster, process, server), asyncio.timeout(TIMEOUT):
                while True:
                    await member.send('{"message": "stored"}')
                    if '"message":"stored"' in (reply := await member.receive(TIMEOUT)):
                        break
                    assert UNAVAILABLE in reply
                    await asyncio.sleep(0.1)
                await assert_available(server)
    assert_logged(server.log()[before:], "read", "written")


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        pytest.param(freezing, "", id="frozen"),
        pytest.param(stopping, "?pool=true", id="stopped-with-a-pool"),
    ],
)
async def test_connections_that_are_held_do_not_hide_an_outage(
    cluster: Cluster, fault: Fault, options: str
) -> None:
    """A server that has connections already gives up the dead ones, and makes new ones."""
    with cluster.running() as process:
        environment = {"DATABASE_URL": cluster.url + options, "REDIS_URL": ""}
        with serve(environment=environment) as server:
            assert (await get(server, "/scope/async-http/", SESSION)).status == 200
            assert held(cluster.url) >= 1
            with fault(cluster, process):
                assert (await get(server, "/scope/async-http/", SESSION)).status == 503
            async with back(cluster, process, server):
                assert_logged(server.log(), "read")


async def test_a_session_key_that_is_none_is_no_outage(cluster: Cluster, server: Server) -> None:
    """A cookie that PostgreSQL could not even be asked about is that of a visitor without one."""
    before = len(server.log())
    with cluster.running():
        for key in (r'"\000aaaaaaaaaaaaaaaaaaa"', f'"{OCTAL * 32}"', "a" * 4000, "'"):
            cookie = ("Cookie", f"sessionid={key}")
            for path in ("/scope/async-http/", "/scope/"):
                assert (await get(server, path, cookie)).status == 200
    assert "The database " not in server.log()[before:]
    assert "Traceback" not in server.log()[before:]
