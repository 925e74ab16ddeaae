"""Query strings, which may hold tokens, in what a server prints."""

import sys
from importlib.util import find_spec

import pytest

from sandbox.processes.servers import free_port, listening
from sandbox.wire import http, websocket

QUIET = {
    "daphne": ["-b", "127.0.0.1", "-p", "{port}", "--access-log", "/dev/null"],
    "uvicorn": ["--port", "{port}", "--log-level", "warning"],
    "hypercorn": ["--bind", "127.0.0.1:{port}"],
    "granian": ["--interface", "asgi", "--port", "{port}"],
}


@pytest.mark.parametrize("name", [name for name in QUIET if find_spec(name)])
@pytest.mark.asyncio
async def test_no_query_string_is_printed(name: str) -> None:
    """Started as docs/settings.md says, no server prints a token that is in a query string."""
    port = free_port()
    arguments = [argument.format(port=port) for argument in QUIET[name]]
    command = [sys.executable, "-m", name, *arguments, "sandbox.asgi:application"]
    request = f"HEAD / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    with listening(name, command, port, request) as server:
        assert (
            await http("GET", f"{server.url}/echo/async-http/?message=1&t=hunter2")
        ).status == 200
        async with websocket(f"{server.url}/echo/websocket/?t=hunter2") as connection:
            await connection.send('{"message":1}')
            assert await connection.receive() == '{"message":1}'
        assert "hunter2" not in server.log()
