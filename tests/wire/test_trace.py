"""The record of what went over the wire."""

import pytest

from sandbox.processes.servers import Server
from sandbox.wire import Trace, http, websocket

pytestmark = pytest.mark.asyncio


async def test_a_trace_holds_every_frame(daphne: Server) -> None:
    """A trace holds every frame of every connection, with direction, size and time."""
    trace = Trace()
    for _ in range(2):
        async with websocket(f"{daphne.url}/echo/websocket/", trace=trace) as connection:
            await connection.send('{"message": 1}')
            await connection.receive()
    assert [(event.connection, event.sent, event.kind) for event in trace.events] == [
        (number, sent, kind)
        for number in (1, 2)
        for kind in ("handshake", "text", "close")
        for sent in (True, False)
    ]
    assert [event.at for event in trace.events] == sorted(event.at for event in trace.events)
    assert trace.events[2].excerpt == '{"message": 1}'
    assert trace.events[2].size == len('{"message": 1}')


async def test_a_trace_holds_the_bytes_of_a_request(daphne: Server) -> None:
    """Of HTTP a trace holds the head as it was sent, each chunk, and the response."""
    trace = Trace()
    url = f"{daphne.url}/echo/async-http/"
    await http(
        "POST", url, headers=[("X-Name", "plain")], body=[b'{"message"', b":1}"], trace=trace
    )
    assert [(event.sent, event.kind) for event in trace.events] == [
        (True, "request"),
        (True, "body"),
        (True, "body"),
        (False, "response"),
        (False, "body"),
    ]
    request, _, _, response, body = (event.excerpt for event in trace.events)
    assert request.startswith("POST /echo/async-http/ HTTP/1.1\r\nHost: 127.0.0.1:")
    assert "X-Name: plain\r\n" in request
    assert response.startswith("200 OK\r\n")
    assert body == '{"message":1}'
