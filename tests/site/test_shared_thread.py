"""What the Stall page says about the shared thread, measured on a real Daphne."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from sandbox.processes.servers import Server
from sandbox.wire import websocket

SLEEP = 1.0
"""Long against a round trip, even on a busy machine."""


@pytest.mark.parametrize(
    ("neighbour", "is_open", "waits"),
    [
        pytest.param("stock/async-websocket", True, True, id="stock"),
        pytest.param("stock/async-websocket", False, True, id="new-stock"),
        pytest.param("echo/websocket", True, False, id="isolated"),
        pytest.param("echo/async-websocket", True, False, id="isolated-async"),
        pytest.param("echo/websocket", False, False, id="new-isolated"),
        pytest.param("tuned/async-websocket", True, False, id="tuned"),
    ],
)
@pytest.mark.asyncio
async def test_the_shared_thread_stalls_only_its_users(
    daphne: Server, neighbour: str, is_open: bool, waits: bool
) -> None:
    """A sleeping stock consumer stalls each connection that needs the shared thread, no other."""
    url = f"{daphne.url}/{neighbour}/"
    async with AsyncExitStack() as stack:
        sleeper = await stack.enter_async_context(websocket(f"{daphne.url}/stock/websocket/"))
        if is_open:
            connection = await stack.enter_async_context(websocket(url))
        began = time.perf_counter()
        await sleeper.send(f'{{"message":1,"delay":{SLEEP}}}')
        while f"{sleeper.local_address} /stock/websocket/ receive" not in daphne.log():
            await asyncio.sleep(0.01)
        if not is_open:
            connection = await stack.enter_async_context(websocket(url))
        await connection.send('{"message":2}')
        await connection.receive()

        assert (time.perf_counter() - began >= SLEEP) is waits
        await sleeper.receive()
