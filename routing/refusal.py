"""Refusing a handshake or a request, so that both the client and the log learn why."""

import logging
from contextlib import suppress
from typing import Any

logger = logging.getLogger("routing")

PLAIN_TEXT = [(b"content-type", b"text/plain"), (b"x-content-type-options", b"nosniff")]
EXCERPT_LENGTH = 100


async def refuse(scope: Any, receive: Any, send: Any, *, status: int, why: str) -> None:
    """Answer ``status`` where the server can, else close, which every server makes a 403.

    ``why`` is a part of a sentence, without a full stop.
    """
    host, port = scope.get("client") or ("-", "-")
    logger.warning("%s:%s %s refused %d: %s", host, port, excerpt(scope["path"]), status, why)
    response = "http.response"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        response = "websocket.http.response"
        if response not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close"})
            return
    body = b"" if scope.get("method") == "HEAD" else f"Refused: {why}.\n".encode()
    with suppress(OSError, RuntimeError):  # the client has left; Granian then raises RuntimeError
        await send({"type": f"{response}.start", "status": status, "headers": PLAIN_TEXT})
        await send({"type": f"{response}.body", "body": body})


def excerpt(text: str) -> str:
    """Quote what a client sent for one line of a log: printable ASCII, and never long."""
    return ascii(text if len(text) <= EXCERPT_LENGTH else f"{text[:EXCERPT_LENGTH]}…")


async def not_found(scope: Any, receive: Any, send: Any) -> None:
    """Stand at the end of a URL table, where Channels would raise ValueError."""
    why = "no WebSocket has that path"
    if not scope["path"].endswith("/"):
        why += ", without a slash at its end"
    await refuse(scope, receive, send, status=404, why=why)
