"""A connection's scope as JSON can carry it, with every secret masked. Pure, like the contract."""

import re
from typing import Any
from urllib.parse import parse_qsl

PLAIN = ("type", "http_version", "scheme", "method", "root_path", "path", "client", "server")
SECRET = re.compile("auth|cookie|csrf|key|pass|secret|session|signature|token", re.IGNORECASE)
MASK = "***"


def describe(scope: Any) -> dict[str, Any]:
    """Describe what a consumer knows about its connection, for any protocol and server."""
    route = scope.get("url_route", {})
    return {
        **{name: _json(scope[name]) for name in PLAIN if name in scope},
        "asgi": _json(scope.get("asgi", {})),
        "extensions": sorted(scope.get("extensions") or {}),
        "query": _masked(parse_qsl(_text(scope.get("query_string", b"")), keep_blank_values=True)),
        "headers": _masked((_text(name), _text(value)) for name, value in scope["headers"]),
        "subprotocols": _json(scope.get("subprotocols", [])),
        "cookies": dict.fromkeys(map(_text, scope.get("cookies", {})), MASK),
        "session": _session(scope.get("session")),
        "user": _user(scope.get("user")),
        "url_route": {
            "args": _json(route.get("args", ())),
            "kwargs": _json(route.get("kwargs", {})),
        },
    }


def _session(session: Any) -> Any:
    if session is None:  # not `if not session`: since Django 6.1 an empty one is false
        return None
    return {"key": session.session_key and MASK, "holds": sorted(map(_text, session.keys()))}


def _user(user: Any) -> Any:
    return user and {"name": user.get_username(), "is_authenticated": user.is_authenticated}


def _masked(pairs: Any) -> list[list[str]]:
    # Sec-WebSocket-Key is no secret: it only shows that the server has read the handshake.
    return [
        [name, MASK if SECRET.search(name) and name != "sec-websocket-key" else value]
        for name, value in pairs
    ]


def _json(value: Any) -> Any:
    match value:
        case dict():
            return {_text(name): _json(member) for name, member in value.items()}
        case list() | tuple():
            return [_json(element) for element in value]
        case None | bool() | int() | float():
            return value
        case _:
            return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")
    return str(value).encode(errors="replace").decode()  # JSON has no lone surrogates
