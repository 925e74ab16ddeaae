"""The client of the comparison, against a real server."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from websockets.frames import Opcode

from sandbox.processes.servers import Server
from sandbox.wire import (
    ClosedError,
    Pong,
    RefusedError,
    Trace,
    http,
    http_connection,
    websocket,
)

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def test_text_and_binary_and_pongs_come_back_in_order(daphne: Server) -> None:
    """Messages and pongs are received in the order in which they arrive."""

    async def scenario() -> None:
        async with websocket(f"{daphne.url}/echo/async-websocket/") as connection:
            await connection.send_frame(Opcode.PING, b"one")
            assert await connection.receive() == Pong(b"one")
            await connection.send('{"message":"é"}')
            assert await connection.receive() == '{"message":"é"}'
            await connection.send(b'{"message":2}')
            assert await connection.receive() == '{"message":2}'

    run(scenario())


def test_fragments_are_sent_as_they_are_given(daphne: Server) -> None:
    """A message can be split anywhere, even inside a character."""

    async def scenario() -> None:
        async with websocket(f"{daphne.url}/echo/websocket/") as connection:
            message = '{"message":"é"}'.encode()
            await connection.send_frame(Opcode.TEXT, message[:13], fin=False)
            await connection.send_frame(Opcode.CONT, message[13:])
            assert await connection.receive() == message.decode()

    run(scenario())


def test_what_a_faulty_client_sends_is_sent(daphne: Server) -> None:
    """A continuation of nothing reaches the server, which ends the connection."""

    async def scenario() -> None:
        async with websocket(f"{daphne.url}/echo/websocket/") as connection:
            await connection.send_frame(Opcode.CONT, b"of nothing")
            with pytest.raises(ClosedError) as closed:
                await connection.receive()
            assert closed.value.code in (1002, 1006)

    run(scenario())


def test_a_close_is_answered_with_its_code(daphne: Server) -> None:
    """Closing returns the code that the server answered with."""

    async def scenario() -> None:
        async with websocket(f"{daphne.url}/echo/websocket/") as connection:
            assert (await connection.close(4000)).code == 1000
            with pytest.raises(ClosedError):
                await connection.receive()

    run(scenario())


def test_silence_is_a_timeout(daphne: Server) -> None:
    """Waiting for what does not come ends after the time given, and the connection stays usable."""

    async def scenario() -> None:
        async with websocket(f"{daphne.url}/echo/websocket/") as connection:
            with pytest.raises(TimeoutError):
                await connection.receive(timeout=0.05)
            await connection.send('{"message":1}')
            assert await connection.receive() == '{"message":1}'

    run(scenario())


def test_a_refused_handshake_has_its_status(daphne: Server) -> None:
    """A foreign origin is refused with 403."""

    async def scenario() -> None:
        with pytest.raises(RefusedError) as refused:
            async with websocket(f"{daphne.url}/echo/websocket/", origin="https://evil.example"):
                pass
        assert refused.value.status == 403

    run(scenario())


def test_http_requests_share_a_connection(daphne: Server) -> None:
    """A connection serves several requests, with whole and with chunked bodies."""

    async def scenario() -> None:
        async with http_connection(daphne.url) as connection:
            for body in (b'{"message":"hi"}', [b'{"mess', b'age":"hi"}']):
                response = await connection.request("POST", "/echo/async-http/", body=body)
                assert (response.status, response.body) == (200, b'{"message":"hi"}')
                assert response.header("Content-Type") == "application/json"

    run(scenario())


def test_a_head_request_has_no_body(daphne: Server) -> None:
    """The length that HEAD announces is not waited for."""
    response = run(http("HEAD", f"{daphne.url}/echo/async-http/?message=hi"))
    assert (response.status, response.header("content-length"), response.body) == (200, "16", b"")


def test_a_trace_holds_what_went_over_the_wire(daphne: Server) -> None:
    """A trace holds every frame of every connection, with direction, size and time."""

    async def scenario() -> Trace:
        trace = Trace()
        for _ in range(2):
            async with websocket(f"{daphne.url}/echo/websocket/", trace=trace) as connection:
                await connection.send('{"message": 1}')
                await connection.receive()
        return trace

    trace = run(scenario())
    assert [(event.connection, event.sent, event.kind) for event in trace.events] == [
        (number, sent, kind)
        for number in (1, 2)
        for kind in ("handshake", "text", "close")
        for sent in (True, False)
    ]
    assert [event.at for event in trace.events] == sorted(event.at for event in trace.events)
    assert trace.events[2].excerpt == '{"message": 1}'
    assert trace.events[2].size == len('{"message": 1}')
