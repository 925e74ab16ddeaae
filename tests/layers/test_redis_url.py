"""REDIS_URL: which values stop the start, and which are only reported."""

import os
import subprocess
import sys

import pytest

from sandbox.layers.redis_url import why_unreachable
from sandbox.processes.redis import Redis
from sandbox.processes.servers import ROOT, free_port, serve
from sandbox.wire import http, websocket
from tests.support.clients import clients, post, refused


def check(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:6379",
        "127.0.0.1:6379",
        "redis://",
        "redis://127.0.0.1:99999",
        "redis://127.0.0.1/zero",
        "redis://127.0.0.1/0?flavour=sweet",
    ],
)
def test_a_malformed_url_stops_the_start(url: str) -> None:
    """A URL at which no Redis can be is refused in a sentence, without a traceback."""
    checked = check(url)
    assert checked.returncode == 1
    assert "REDIS_URL: Not the URL of a Redis, such as redis://127" in checked.stderr
    assert "Traceback" not in checked.stderr


def test_an_empty_url_is_none() -> None:
    """An empty REDIS_URL is like none."""
    assert "no issues" in check("").stdout


def test_a_redis_that_does_not_answer_is_reported() -> None:
    """Every command of manage.py warns, and the warning shows no password."""
    checked = check(f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert checked.returncode == 0
    assert "does not answer at redis://127.0.0.1" in checked.stderr
    assert "secret" not in checked.stderr


def test_a_redis_that_answers_is_not_reported(redis: Redis) -> None:
    """Where a Redis answers, there is no warning."""
    assert why_unreachable(redis.url) == ""


@pytest.mark.asyncio
async def test_a_server_starts_without_its_redis(redis: Redis) -> None:
    """The log reports it, echo works, rooms are unavailable; they work as soon as Redis does."""
    redis.kill()
    with serve(environment={"REDIS_URL": redis.url}) as server:
        async with websocket(f"{server.url}/echo/websocket/") as echo:
            await echo.send('{"message": 1}')
            assert await echo.receive() == '{"message":1}'
        assert (await http("GET", f"{server.url}/echo/async-http/?message=1")).status == 200
        assert (await post(server.url, "early", '{"message": 1}')).status == 503
        heard, _ = await refused("websocket", "early", server.url)
        assert "unavailable" in heard
        redis.start()
        async with clients("early", server.url) as everyone:
            await everyone[0].send('{"message": "at last"}')
            assert [await member.hear() for member in everyone] == ['{"message":"at last"}'] * 5
        assert "does not answer at redis://127.0.0.1" in server.log()
