"""The Redis of REDIS_URL: whether the URL is one, whether anybody answers."""

import re
from urllib.parse import urlsplit

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

SECONDS = 2.0


def check_url(url: str) -> None:
    """Raise ValueError, with a reason, for what redis-py could not connect to or would misread."""
    try:
        ConnectionPool.from_url(url).make_connection()  # makes the object, connects to nothing
    except TypeError as error:
        raise ValueError(str(error).partition("() got ")[2] or str(error)) from None
    parts = urlsplit(url)
    if parts.scheme != "unix":
        if not parts.hostname:
            raise ValueError("it has no host")
        if not re.fullmatch(r"(/\d*)?", parts.path):
            raise ValueError("its path is not the number of a database")


def complaint(url: str) -> str:
    """Say in a sentence what is wrong with the Redis at that URL; nothing, if nothing is."""
    client = Redis.from_url(
        url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS, retry=Retry(NoBackoff(), 0)
    )
    try:
        client.ping()
    except RedisError as error:
        place = urlsplit(url)._replace(query="")
        where = place._replace(netloc=place.netloc.rpartition("@")[2]).geturl()  # no password
        return (
            f"The Redis of REDIS_URL does not answer at {where} ({str(error).rstrip('.')}). "
            "Until it does, rooms and worker say that they are unavailable; echo needs none."
        )
    finally:
        client.close()
    return ""
