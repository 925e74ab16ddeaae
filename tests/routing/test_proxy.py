"""Behind a proxy: what its headers make of a scope."""

import asyncio
from typing import Any

import pytest

from routing.proxy import behind_proxy

PROXY = ("10.0.0.1", 4711)


def scope_seen(
    *headers: tuple[bytes, bytes], kind: str = "http", client: Any = PROXY
) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    scheme = {"http": "http", "websocket": "ws"}[kind]
    scope = {"type": kind, "scheme": scheme, "client": client, "headers": list(headers)}
    asyncio.run(behind_proxy(application)(scope, None, None))
    return seen[0]


@pytest.mark.parametrize(
    ("kind", "value", "scheme"),
    [
        ("http", b"https", "https"),
        ("http", b"HTTPS", "https"),
        ("http", b"http", "http"),
        ("http", b"wss", "http"),
        ("http", b"javascript", "http"),
        ("http", b"https, http", "http"),
        ("http", b"", "http"),
        ("websocket", b"https", "wss"),
        ("websocket", b"wss", "wss"),
        ("websocket", b"http", "ws"),
        ("websocket", b"\xff", "ws"),
    ],
)
def test_the_scheme_is_the_clients(kind: str, value: bytes, scheme: str) -> None:
    """X-Forwarded-Proto gives the scheme, for a WebSocket wss or ws; anything else is ignored."""
    assert scope_seen((b"x-forwarded-proto", value), kind=kind)["scheme"] == scheme


@pytest.mark.parametrize(
    ("value", "client"),
    [
        (b"192.0.2.7", ["192.0.2.7", 4711]),
        (b"192.0.2.7:80", ["192.0.2.7", 80]),
        (b"2001:db8::7", ["2001:db8::7", 4711]),
        (b"[2001:db8::7]", ["2001:db8::7", 4711]),
        (b"[2001:db8::7]:80", ["2001:db8::7", 80]),
        (b"1.1.1.1, 192.0.2.7", ["192.0.2.7", 4711]),
        (b"192.0.2.7, unknown", PROXY),
        (b"192.0.2.7:port", PROXY),
        (b"192.0.2.7:99999", PROXY),
        (b"host.example", PROXY),
        (b"1 2", PROXY),
        (b"[", PROXY),
        (b"\xff\x00", PROXY),
        (b"", PROXY),
    ],
)
def test_the_address_is_the_last(value: bytes, client: Any) -> None:
    """X-Forwarded-For gives the address that the nearest proxy added; no address is ignored."""
    assert scope_seen((b"x-forwarded-for", value))["client"] == client


def test_the_last_line_counts() -> None:
    """Of several lines of a header the last one counts, as in a list."""
    first, last = (b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"192.0.2.7")

    assert scope_seen(first, last)["client"] == ["192.0.2.7", 4711]


def test_a_proxy_on_a_unix_socket_has_no_port() -> None:
    """Where the server knows no client, the port is 0."""
    forwarded = (b"x-forwarded-for", b"192.0.2.7")

    assert scope_seen(forwarded, client=None)["client"] == ["192.0.2.7", 0]


def test_the_host_is_the_last() -> None:
    """X-Forwarded-Host takes the place of every Host."""
    seen = scope_seen((b"host", b"internal"), (b"x-forwarded-host", b"evil.example, site.example"))

    assert [value for name, value in seen["headers"] if name == b"host"] == [b"site.example"]


def test_without_the_headers_nothing_changes() -> None:
    """A request that came without the proxy's headers is seen as it came."""
    seen = scope_seen((b"host", b"localhost"))

    assert seen == {
        "type": "http",
        "scheme": "http",
        "client": PROXY,
        "headers": [(b"host", b"localhost")],
    }
