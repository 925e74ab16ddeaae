"""The client of server-sent events, against a real server and a slow one."""

import asyncio
from asyncio import StreamReader, StreamWriter

import pytest

from sandbox.processes.servers import Server
from sandbox.wire import ClosedError, RefusedError, Trace, event_stream, http

pytestmark = pytest.mark.asyncio


async def test_an_open_stream_misses_no_event(daphne: Server) -> None:
    """What is published once the stream is open comes, and a wait for more is a timeout."""
    url = f"{daphne.url}/rooms/wire/async-http/"
    trace = Trace()
    async with event_stream(url, trace=trace) as stream:
        for number in (1, 2):
            with pytest.raises(TimeoutError):
                await stream.receive(timeout=0.05)
            await http("POST", url, body=b'{"message":%d}' % number)
            assert await stream.receive() == f'{{"message":{number}}}'
    kinds = [event.kind for event in trace.events]
    assert kinds == ["request", "response", "event", "event"]


async def test_a_url_without_events_is_refused(daphne: Server) -> None:
    """A response that is no 200 raises RefusedError, with its status."""
    with pytest.raises(RefusedError) as refused:
        async with event_stream(f"{daphne.url}/rooms/wire/no-such-type/"):
            pass
    assert refused.value.status == 404


async def test_a_stream_is_open_when_its_first_comment_has_come() -> None:
    """The head of the response alone does not open a stream: the server may not listen yet."""
    commented = False

    async def follow(reader: StreamReader, writer: StreamWriter) -> None:
        nonlocal commented
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        await asyncio.sleep(0.1)
        commented = True
        writer.write(b": following\n\ndata: 1\n\n")
        writer.close()

    async with await asyncio.start_server(follow, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with event_stream(url) as stream:
            assert commented
            assert await stream.receive() == "1"
            with pytest.raises(ClosedError) as closed:
                await stream.receive()
    assert closed.value.code == 1000


async def test_what_is_no_utf_8_is_shown_as_it_came() -> None:
    """Any bytes of a foreign server are an event or a comment, and none is an error."""

    async def follow(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n\xff\n\ndata: \xff1\n\n")
        writer.close()

    async with await asyncio.start_server(follow, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with event_stream(url) as stream:
            assert await stream.receive() == "\\xff1"
