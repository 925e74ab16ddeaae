"""Behind a proxy: the scheme, the host and the address that the client has used.

Copy this file into a project that is reached through a proxy only, and put ``behind_proxy`` around
the whole ASGI application:

    application = behind_proxy(ProtocolTypeRouter({...}))

Why: a server sees the connection of the proxy, which is plain HTTP from the proxy's address. So
Django takes a request that came over HTTPS for a foreign one and refuses to sign in (CSRF, 403),
pages offer ``ws://``, and the log has the proxy's address. Uvicorn has flags for this, Daphne half
of them, Hypercorn and Granian none.

How: three headers replace what the server has seen. Of each the last value is taken, which is the
one that the nearest proxy has added:

    X-Forwarded-Proto  scope["scheme"]       "https" makes it "https" or "wss"
    X-Forwarded-For    scope["client"]       with its port, if it has one, else the proxy's
    X-Forwarded-Host   the header ``Host``   not needed where the proxy passes ``Host`` on

**Who can forge them**: every client that reaches the server without the proxy, and every client if
the proxy passes on one of these headers without setting it. So let the server listen where only the
proxy can connect, and let the proxy set or remove all three, as docs/deploying.md has it. A client
that forges them chooses its address in the log, a host among ALLOWED_HOSTS, and whether it seems to
come over HTTPS.

The port of an address without one is the proxy's, because it differs between connections that are
open at the same time: lines of the connection log can be paired.
"""

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

SCHEMES = {
    ("http", b"http"): "http",
    ("http", b"https"): "https",
    ("websocket", b"http"): "ws",
    ("websocket", b"https"): "wss",
    ("websocket", b"ws"): "ws",
    ("websocket", b"wss"): "wss",
}


def behind_proxy(application: Any) -> Any:
    """Make an ASGI application that sees its clients as the proxy in front has seen them."""

    async def proxied_application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = _as_the_proxy_saw(scope)
        await application(scope, receive, send)

    return proxied_application


def _as_the_proxy_saw(scope: Any) -> Any:
    # The last of several lines wins here, and the last of several values in a line below.
    last = {name: value.rpartition(b",")[2].strip() for name, value in scope["headers"]}
    seen = dict(scope)
    protocol = last.get(b"x-forwarded-proto", b"").lower()
    if scheme := SCHEMES.get((scope["type"], protocol)):
        seen["scheme"] = scheme
    if address := _address(last.get(b"x-forwarded-for", b"").decode("latin-1")):
        host, port = address
        _, proxy_port = scope.get("client") or ("", 0)
        seen["client"] = [host, proxy_port if port is None else port]
    if host_header := last.get(b"x-forwarded-host"):
        others = [header for header in scope["headers"] if header[0] != b"host"]
        seen["headers"] = [*others, (b"host", host_header)]
    return seen


def _address(text: str) -> tuple[str, int | None] | None:
    """Read an IP address, with or without a port; None if it is neither, such as "unknown"."""
    try:
        return str(ip_address(text)), None  # also an IPv6 address, whose colons are no port
    except ValueError:
        pass
    try:
        parsed = urlsplit(f"//{text}")
        return str(ip_address(parsed.hostname or "")), parsed.port
    except ValueError:
        return None
