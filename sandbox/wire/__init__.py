"""Clients that hide nothing: each frame, packet, header and close code as it went over the wire."""

from sandbox.wire.event_stream_client import EventStream, event_stream
from sandbox.wire.http_client import HttpConnection, Response, http, http_connection
from sandbox.wire.mqtt_client import BrokerError, Mqtt, mqtt
from sandbox.wire.stream import TIMEOUT, ClosedError, Header, RefusedError
from sandbox.wire.trace import Event, Trace, frames
from sandbox.wire.websocket_client import Pong, WebSocket, websocket

__all__ = [
    "TIMEOUT",
    "BrokerError",
    "ClosedError",
    "Event",
    "EventStream",
    "Header",
    "HttpConnection",
    "Mqtt",
    "Pong",
    "RefusedError",
    "Response",
    "Trace",
    "WebSocket",
    "event_stream",
    "frames",
    "http",
    "http_connection",
    "mqtt",
    "websocket",
]
