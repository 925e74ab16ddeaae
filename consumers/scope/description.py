"""A connection's scope as JSON can carry it. Pure, like the contract.

Values are shown only where they are known to hold no secret; all others are masked. Which of them
are secret cannot be guessed from their names: tokens come as ``?t=``, as ``X-Whatever``, as
subprotocols and in the query of a Referer.
"""

from typing import Any
from urllib.parse import parse_qsl

PLAIN = ("type", "http_version", "scheme", "method", "root_path", "path", "client", "server")
PLAIN_PARAMETERS = frozenset({"message", "delay", "after", "worker", "room"})
PLAIN_HEADERS = frozenset(
    [
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-length",
        "content-type",
        "content-encoding",
        "dnt",
        "origin",
        "pragma",
        "priority",
        "te",
        "transfer-encoding",
        "upgrade",
        "upgrade-insecure-requests",
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-real-ip",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-fetch-user",
        "sec-gpc",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-version",
    ]
)
"""The key of a handshake is no secret: it only shows that the server has read the handshake."""
PLAIN_SUBPROTOCOLS = frozenset({"chat", "superchat", "mqtt", "wamp.2.json", "graphql-ws", "stomp"})
MASK = "***"


def describe(scope: Any) -> dict[str, Any]:
    """Describe what a consumer knows about its connection, for any protocol and server."""
    route = scope.get("url_route", {})
    return {
        **{name: _json(scope[name]) for name in PLAIN if name in scope},
        "asgi": _json(scope.get("asgi", {})),
        "extensions": sorted(scope.get("extensions") or {}),
        "query": _masked(
            parse_qsl(_text(scope.get("query_string", b"")), keep_blank_values=True),
            PLAIN_PARAMETERS,
        ),
        "headers": _masked(
            ((_text(name), _text(value)) for name, value in scope["headers"]), PLAIN_HEADERS
        ),
        "subprotocols": [
            name if name in PLAIN_SUBPROTOCOLS else MASK for name in scope.get("subprotocols", [])
        ],
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


def _masked(pairs: Any, plain: frozenset[str]) -> list[list[str]]:
    # In "?c2VjcmV0" the name may be the secret.
    return [
        [name, value] if name in plain else [name if value else MASK, MASK] for name, value in pairs
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
