"""Clients that hide nothing: each frame, header and close code as it went over the wire."""

from sandbox.wire.client import (
    TIMEOUT,
    ClosedError,
    Event,
    EventStream,
    Header,
    HttpConnection,
    Pong,
    RefusedError,
    Response,
    Trace,
    WebSocket,
    event_stream,
    http,
    http_connection,
    websocket,
)

__all__ = [
    "TIMEOUT",
    "ClosedError",
    "Event",
    "EventStream",
    "Header",
    "HttpConnection",
    "Pong",
    "RefusedError",
    "Response",
    "Trace",
    "WebSocket",
    "event_stream",
    "http",
    "http_connection",
    "websocket",
]
