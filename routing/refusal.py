"""Refusing a handshake or a request, so that the client learns why from the HTTP status."""

from typing import Any


async def refuse(scope: Any, receive: Any, send: Any, *, status: int) -> None:
    """Answer ``status`` where the server can, else close, which every server makes a 403."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    await receive()  # websocket.connect
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await send({"type": "websocket.http.response.start", "status": status, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})
    else:
        await send({"type": "websocket.close"})


async def not_found(scope: Any, receive: Any, send: Any) -> None:
    """Stand at the end of a URL table, where Channels would raise ValueError."""
    await refuse(scope, receive, send, status=404)
