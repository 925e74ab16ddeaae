"""The Redis of REDIS_URL: whether the URL is valid, whether a Redis answers there."""

import re
from urllib.parse import parse_qsl, urlsplit

from redis import ConnectionPool, Redis, asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

TIMEOUT = 2.0
"""Seconds to wait for a connection, and for an answer."""

SCHEMES = ("redis://", "rediss://", "unix://")
BOOLEAN = "true|false|yes|no|1|0"
OPTIONS = {
    "client_name": "[!-~]+",
    "db": r"\d{1,9}",
    "health_check_interval": r"\d{1,9}",
    "socket_keepalive": BOOLEAN,
    "ssl_ca_certs": ".+",
    "ssl_cert_reqs": "none|optional|required",
    "ssl_certfile": ".+",
    "ssl_check_hostname": BOOLEAN,
    "ssl_keyfile": ".+",
}
"""What may follow the question mark, and the form of its value.

redis-py knows more, but with most of that a channel layer cannot work: it needs bytes
(``decode_responses``), more than one connection (``max_connections``) and its own timeouts.
"""
ESCAPE = "in a user name or a password, write # as %23, / as %2F, ? as %3F and @ as %40"


def check_url(url: str) -> None:
    """Raise ValueError, with a reason, for what no channel layer could work with.

    No reason shows a value: one wrong character makes the password look like a part of the rest.
    """
    if re.match(r"[a-z+-]*(sentinel|cluster)[a-z+-]*:", url):
        raise ValueError("Sentinel and clusters are not supported, only a single Redis is")
    if not url.startswith(SCHEMES):
        raise ValueError(f"it does not begin with {', '.join(SCHEMES[:2])} or {SCHEMES[2]}")
    try:
        parts = urlsplit(url)
        several = "," in parts.netloc.rpartition("@")[2]
        _ = several or parts.port  # raises where it is no number
        (parts.hostname or "").encode("idna")  # raises where no name can be so, such as a..b
        is_readable = not parts.fragment and "@" not in parts.path + parts.query
    except ValueError:
        is_readable = False
    if not is_readable:
        raise ValueError(f"its host and port cannot be read; {ESCAPE}")
    if several:
        raise ValueError("it has several hosts, and only a single Redis is supported")
    if parts.scheme != "unix":
        if not parts.hostname:
            raise ValueError("it has no host")
        if not re.fullmatch(r"(/\d*)?", parts.path):
            raise ValueError("its path is not the number of a database")
    _check_options(url, parts.query)


def _check_options(url: str, query: str) -> None:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in OPTIONS:
            known = ", ".join(OPTIONS)
            raise ValueError(f"its option {ascii(name)[:40]} is not supported; these are: {known}")
        if not re.fullmatch(OPTIONS[name], value, re.IGNORECASE):
            raise ValueError(f"the value of its option {name!r} makes no sense")
    try:
        for pool in ConnectionPool, asyncio.ConnectionPool:
            pool.from_url(url).make_connection()  # makes the object, connects to nothing
    except (TypeError, ValueError, RedisError):
        scheme = url.partition(":")[0]
        raise ValueError(f"its options do not suit a URL that begins with {scheme}") from None


def why_unreachable(url: str) -> str:
    """Return in two sentences why the Redis at that URL does not answer; empty if it does."""
    client = Redis.from_url(
        url, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
    )
    try:
        client.ping()
    except (RedisError, OSError) as error:  # OSError: a certificate that is not there
        place = urlsplit(url)._replace(query="")
        where = place._replace(netloc=place.netloc.rpartition("@")[2]).geturl()  # no password
        return (
            f"The Redis of REDIS_URL does not answer at {where} ({str(error).rstrip('.')}). "
            "Until it does, rooms and worker answer that they are unavailable; echo needs no Redis."
        )
    finally:
        client.close()
    return ""
