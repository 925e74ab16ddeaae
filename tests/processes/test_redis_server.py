"""Starting a Redis, ending it, and starting it again."""

from collections.abc import Iterator

import pytest
from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnectionError
from redis.retry import Retry

from sandbox.processes.redis import NO_PROGRAM, Redis
from sandbox.processes.servers import ServerError


@pytest.fixture
def client(redis: Redis) -> Iterator[Client]:
    with Client.from_url(redis.url, retry=Retry(NoBackoff(), 0)) as client:
        yield client


def test_a_redis_that_is_started_again_is_empty(redis: Redis, client: Client) -> None:
    """A Redis answers from its start on, not once it is killed, and comes back with nothing."""
    client.set("key", "value")
    redis.kill()
    with pytest.raises(NoConnectionError):
        client.ping()
    redis.start()
    assert client.get("key") is None


def test_without_a_program_there_is_no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says where a program was looked for."""
    monkeypatch.setattr("sandbox.processes.redis.find_server", lambda: None)
    with pytest.raises(ServerError) as error:
        Redis().start()
    assert str(error.value) == NO_PROGRAM
