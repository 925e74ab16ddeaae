"""REDIS_URL: which values stop the start, and which are only reported."""

import asyncio
import os
import subprocess
import sys

import pytest

from sandbox.layers.redis_url import check_url, why_unreachable
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
        "redis://[::1",
        "redis://a..b",
    ],
)
def test_a_malformed_url_is_refused(url: str) -> None:
    """A URL at which no Redis can be is refused."""
    with pytest.raises(ValueError, match=r"."):
        check_url(url)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("flavour=sweet", "its option 'flavour' is not supported"),
        ("decode_responses=true", "its option 'decode_responses' is not supported"),
        ("decode_responses", "its option 'decode_responses' is not supported"),
        ("max_connections=1", "its option 'max_connections' is not supported"),
        ("socket_timeout=1", "its option 'socket_timeout' is not supported"),
        ("db=zero", "the value of its option 'db' makes no sense"),
        ("ssl_cert_reqs=bogus", "the value of its option 'ssl_cert_reqs' makes no sense"),
        ("ssl_cert_reqs=none", "its options do not suit a URL that begins with redis"),
    ],
)
def test_an_option_that_cannot_work_is_refused_by_name(option: str, reason: str) -> None:
    """What a channel layer cannot work with is refused, not left to fail later."""
    with pytest.raises(ValueError, match=reason):
        check_url(f"redis://127.0.0.1:6379/0?{option}")


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://127.0.0.1:26379/mymaster/0",
        "sentinel://127.0.0.1:26379",
        "redis-cluster://127.0.0.1:7000",
        "redis://127.0.0.1:7000,127.0.0.1:7001/0",
        "redis://one,two:6379",
    ],
)
def test_several_redis_are_refused_in_a_sentence(url: str) -> None:
    """Sentinel and cluster URLs get the answer that only a single Redis is supported."""
    with pytest.raises(ValueError, match="only a single Redis is"):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        "redis://ada:p%23%2F%3F%40@127.0.0.1:6379/1",
        "redis://:p@ss@[::1]:6379/",
        "rediss://127.0.0.1:6379/0?ssl_cert_reqs=none",
        "rediss://127.0.0.1/?ssl_ca_certs=/a&ssl_cert_reqs=required&ssl_check_hostname=no",
        "rediss://127.0.0.1/?ssl_certfile=/a.pem&ssl_keyfile=/a.key",
        "redis://127.0.0.1/?db=1&client_name=a&health_check_interval=5&socket_keepalive=1",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_a_good_url_is_accepted(url: str) -> None:
    """Users, databases, TLS, sockets and the options that layers can work with are accepted."""
    check_url(url)


@pytest.mark.parametrize("character", ["#", "/", "?", "@", "?a=", "[", ":"])
@pytest.mark.parametrize("before", ["", "1", "x", "a@1"])
@pytest.mark.parametrize("host", ["127.0.0.1:1/0", "127.0.0.1:1/zero", "127.0.0.1:1/?db=x"])
def test_no_reason_shows_a_password(character: str, before: str, host: str) -> None:
    """A special character may seem to end the password: no part of it is in any message."""
    url = f"redis://:{before}{character}hunter2@{host}"
    try:
        check_url(url)
        reason = why_unreachable(url)
        assert reason
    except ValueError as error:
        reason = str(error)
    assert "hunter2" not in reason


@pytest.mark.parametrize("url", ["redis://:hunter2#hunter2@127.0.0.1:1/0", "redis://:hunter2"])
def test_a_wrong_url_stops_the_start(url: str) -> None:
    """The start ends with one sentence: no traceback, and nothing of the password."""
    checked = check(url)
    assert checked.returncode == 1
    assert "REDIS_URL: Not the URL of a Redis, such as redis://127" in checked.stderr
    assert "Traceback" not in checked.stderr
    assert "hunter2" not in checked.stderr + checked.stdout


def test_a_certificate_that_is_not_there_is_reported() -> None:
    """TLS that cannot begin is a reason like any other, not a traceback."""
    reason = why_unreachable(f"rediss://127.0.0.1:{free_port()}/0?ssl_ca_certs=/nowhere.pem")
    assert "does not answer at rediss://127.0.0.1" in reason


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
async def test_rooms_work_with_every_option_that_is_accepted(redis: Redis) -> None:
    """With each option that a URL without TLS may have, members of a room hear each other."""
    options = "db=1&client_name=rooms&health_check_interval=1&socket_keepalive=true"
    with serve(environment={"REDIS_URL": f"{redis.url.rpartition('/')[0]}/?{options}"}) as server:
        async with clients("options", server.url) as everyone:
            await asyncio.sleep(1.2)  # over the interval of the health check
            async with clients("more-options", server.url) as others:  # that is a new subscription
                for members in everyone, others:
                    await members[0].send('{"message": "still here"}')
                    heard = [await member.hear() for member in members]
                    assert heard == ['{"message":"still here"}'] * 5
        assert "subscriptions in Redis are lost" not in server.log()


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
