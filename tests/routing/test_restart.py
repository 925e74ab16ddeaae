"""SIGTERM, as at a deploy: each connection gets its end, and the process ends."""

import asyncio
import signal
import subprocess
from contextlib import AsyncExitStack
from typing import Any

import pytest

from consumers.catalogue import CATALOGUE
from routing import ending
from sandbox.processes.servers import installed, serve
from sandbox.wire import ClosedError, event_stream, http, websocket
from tests.routing.test_ending import unpaired
from tests.support.asgi import TIMEOUT

pytestmark = pytest.mark.asyncio

CODE = {"daphne": 4012}
"""Daphne cannot send 1012."""
WEBSOCKETS = [one for one in CATALOGUE if one.protocol == "websocket"]
SLOW = '{"message":1,"delay":0.5}'


async def heard(connection: Any) -> tuple[list[str], int]:
    """Return all that comes, and the close code."""
    messages: list[str] = []
    while True:
        try:
            messages.append(await connection.receive(TIMEOUT))
        except ClosedError as closed:
            return messages, closed.code


@pytest.mark.parametrize("name", installed())
async def test_a_server_that_ends_closes_every_connection(name: str) -> None:
    """At SIGTERM each request is answered, sockets get 1012, streams end and disconnect runs."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(serve(name, environment={"LOG_LEVEL": "INFO"}))
        sockets = [
            await stack.enter_async_context(websocket(server.url + one.url)) for one in WEBSOCKETS
        ]
        streams = [
            await stack.enter_async_context(
                event_stream(f"{server.url}/{edition}/lobby/async-http/")
            )
            for edition in ("rooms", "history")
        ]
        busy = [
            await stack.enter_async_context(websocket(server.url + one.url))
            for one in WEBSOCKETS
            if one.edition.keeps_contract and one.edition.is_echo
        ]
        for connection in busy:
            await connection.send(SLOW)
        response = asyncio.create_task(
            http("POST", f"{server.url}/echo/async-http/", body=SLOW.encode())
        )
        hearing = [
            asyncio.gather(*(heard(connection) for connection in connections))
            for connections in (sockets, busy, streams)
        ]
        await asyncio.sleep(0.2)  # until the consumers have begun to wait
        server.process.send_signal(signal.SIGTERM)
        from_sockets, from_busy, from_streams = await asyncio.gather(*hearing)
        code = CODE.get(name, 1012)
        assert {closed for _, closed in from_sockets} == {code}
        assert from_busy == [(['{"message":1}'], code)] * len(busy)
        assert [closed for _, closed in from_streams] == [1000] * len(streams)
        assert (await response).body == b'{"message":1}'
        await asyncio.to_thread(server.process.wait, TIMEOUT)
        log = server.log()
    assert not unpaired(log)
    assert log.count(" disconnect") >= len(sockets) + len(busy) + len(streams) + 1
    assert "Traceback" not in log


@pytest.mark.parametrize("name", installed())
async def test_a_server_ends_though_a_handler_does_not(name: str) -> None:
    """A handler that goes on for longer than the grace does not keep the process."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(serve(name, environment={"MAX_DELAY": "60"}))
        for one in WEBSOCKETS:
            if one.edition.isolated and one.edition.keeps_contract:
                connection = await stack.enter_async_context(websocket(server.url + one.url))
                await connection.send('{"message":1,"delay":60}')
        await asyncio.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(server.process.wait, ending.EXIT_SECONDS + 5)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{name} did not end: {server.log()}")
