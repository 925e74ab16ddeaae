"""The Redis of REDIS_URL: whether the URL is valid, whether a Redis answers there."""

import re
from urllib.parse import urlsplit

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

TIMEOUT = 2.0
"""Seconds to wait for a connection, and for an answer."""


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


def why_unreachable(url: str) -> str:
    """Return in two sentences why the Redis at that URL does not answer; empty if it does."""
    client = Redis.from_url(
        url, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
    )
    try:
        client.ping()
    except RedisError as error:
        place = urlsplit(url)._replace(query="")
        where = place._replace(netloc=place.netloc.rpartition("@")[2]).geturl()  # no password
        return (
            f"The Redis of REDIS_URL does not answer at {where} ({str(error).rstrip('.')}). "
            "Until it does, rooms and worker answer that they are unavailable; echo needs no Redis."
        )
    finally:
        client.close()
    return ""
