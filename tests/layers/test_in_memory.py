"""Rooms without a Redis: each process has its own, and says so."""

import sys
import time

import pytest

from sandbox.processes.redis import Redis
from sandbox.processes.servers import ARGUMENTS, Server, free_port, installed, listening, serve
from sandbox.wire import http

WARNING = "Several processes are serving, and without REDIS_URL each has rooms of its own"
NOTE = b"The channel layer is in memory"
START_SECONDS = 50


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere a process cannot know its siblings.")
@pytest.mark.skipif("uvicorn" not in installed(), reason="Uvicorn is not installed.")
@pytest.mark.parametrize(
    ("workers", "with_redis", "warnings"), [("1", False, 0), ("2", False, 1), ("2", True, 0)]
)
def test_several_processes_without_redis_are_reported(
    workers: str,
    with_redis: bool,  # a parameter of the test
    warnings: int,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two worker processes one says that they do not share rooms; with a Redis neither does."""
    monkeypatch.setattr("sandbox.processes.servers.STARTUP_SECONDS", START_SECONDS)
    port = free_port()
    arguments = [argument.format(port=port) for argument in ARGUMENTS["uvicorn"]]
    arguments += ["--workers", workers, "--log-level", "info"]
    arguments += ["--timeout-worker-healthcheck", str(START_SECONDS)]
    # Its parent is a shell: servers of other tests have this process as their parent.
    script = "trap 'kill $child' TERM; \"$@\" & child=$!; wait $child; wait $child"
    shell = ["sh", "-c", script, "sh"]
    command = [*shell, sys.executable, "-m", "uvicorn", *arguments, "sandbox.asgi:application"]
    request = f"HEAD / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    environment = {"REDIS_URL": redis.url if with_redis else ""}
    with listening("uvicorn", command, port, request, environment=environment) as server:
        deadline = time.monotonic() + START_SECONDS
        while server.log().count("startup complete") < int(workers):
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.1)
        assert server.log().count(WARNING) == warnings


@pytest.mark.asyncio
async def test_the_rooms_page_says_where_rooms_are(daphne: Server, redis: Redis) -> None:
    """Without a Redis the page says that its rooms are those of one process."""
    assert NOTE in (await http("GET", f"{daphne.url}/rooms/")).body
    with serve(environment={"REDIS_URL": redis.url}) as server:
        assert NOTE not in (await http("GET", f"{server.url}/rooms/")).body
