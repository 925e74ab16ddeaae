"""Requests as the ASGI specification has them, where a server passes on something else.

Copy this file and ``refusal.py`` into a project, and put ``as_specified`` around the whole ASGI
application:

    application = as_specified(ProtocolTypeRouter({...}))

What it mends:

- On Granian ports are strings, in ``scope["client"]`` and ``scope["server"]``: now numbers.
- Over HTTP/2 a browser sends each cookie in a field of its own. Granian does not join them, and
  neither do Django and Channels: of two cookies one is lost
  (github.com/emmett-framework/granian/issues/539). They are joined.
- A request line may have a whole URL, ``GET http://host/path``. Daphne and Hypercorn, and Uvicorn
  with h11, then have that URL as path (github.com/Kludex/uvicorn/pull/3097). It becomes the path.
- Daphne takes ``root_path`` from a header of the client, ``Daphne-Root-Path``, and decodes it, so
  that a client could write lines of the log. One that is not printable is dropped.
- Uvicorn with httptools loses the body of a request that offers another protocol than WebSocket,
  such as ``Upgrade: h2c``, and runs what follows in the same connection as requests of their own
  (github.com/Kludex/uvicorn/issues/2722). Such a request with a body is refused, and after each
  such request the connection is closed. With ``--http h11`` Uvicorn answers it.
"""

from typing import Any

from routing.refusal import refuse

LOSES_BODIES = "uvicorn.protocols.http.httptools_impl"


def as_specified(application: Any) -> Any:
    """Make an ASGI application whose scopes are as the specification has them, on every server."""

    async def specified_application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await application(scope, receive, send)
            return
        scope = _as_specified(scope)
        names = {name for name, _ in scope["headers"]}
        server = type(getattr(send, "__self__", None)).__module__
        if scope["type"] == "websocket" or b"upgrade" not in names or server != LOSES_BODIES:
            await application(scope, receive, send)
        elif names.isdisjoint((b"content-length", b"transfer-encoding")):
            await application(scope, receive, _closing(send))
        else:
            why = "this server loses the body of a request with Upgrade"
            await refuse(scope, receive, _closing(send), status=400, why=why)

    return specified_application


def _as_specified(scope: Any) -> Any:
    specified = dict(scope)
    for end in ("client", "server"):
        if address := scope.get(end):
            host, port = address
            specified[end] = [host, int(port) if isinstance(port, str) else port]
    if not (scope.get("root_path") or "").isprintable():
        specified["root_path"] = ""
    if scope["path"][:8].lower().startswith(("http://", "https://")):
        # Not urlsplit: a ? is of the path here, because it was escaped, and a [ need not be valid.
        specified["path"] = "/" + scope["path"].partition("://")[2].partition("/")[2]
    cookies = [value for name, value in scope["headers"] if name == b"cookie"]
    if cookies[1:]:
        others = [header for header in scope["headers"] if header[0] != b"cookie"]
        specified["headers"] = [*others, (b"cookie", b"; ".join(cookies))]
    return specified


def _closing(send: Any) -> Any:
    """Tell the server to close the connection after the response."""

    async def closing_send(event: Any) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event.get("headers", ()), (b"connection", b"close")]}
        await send(event)

    return closing_send
