"""A consumer behind ``routing/hypercorn.py``, in Hypercorn's own stream."""

import asyncio
from typing import Any

import pytest
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import ConnectionState

from routing.hypercorn import with_every_end

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
EMPTY_TEXT = b"\x81\x80\0\0\0\0"


@pytest.mark.asyncio
@pytest.mark.parametrize("segments", [[HANDSHAKE + EMPTY_TEXT], [HANDSHAKE, EMPTY_TEXT]], ids=len)
async def test_a_consumer_that_accepts_while_bytes_are_refused_sends_nothing(
    segments: list[bytes],
) -> None:
    """Early bytes get their 400 alone, although the consumer accepts then, and it ends."""
    received: list[str] = []
    sent = b""

    async def consumer(_scope: Any, receive: Any, send: Any) -> None:
        received.append((await receive())["type"])
        await send({"type": "websocket.accept"})
        received.append((await receive())["type"])

    async def send(event: Event) -> None:
        nonlocal sent
        if isinstance(event, RawData):
            sent += event.data
            await asyncio.sleep(0.01)  # as for a connection that closes: the consumer runs

    async with asyncio.timeout(10), TaskGroup(asyncio.get_running_loop()) as task_group:
        protocol = H11Protocol(
            ASGIWrapper(with_every_end(consumer)),
            Config(),
            WorkerContext(None),
            task_group,
            ConnectionState({}),
            ssl=False,
            client=("127.0.0.1", 5),
            server=("127.0.0.1", 80),
            send=send,
        )
        for data in segments:
            await protocol.handle(RawData(data))

    assert sent.startswith(b"HTTP/1.1 400 ")
    assert sent.count(b"HTTP/1.1") == 1
    assert received == ["websocket.connect", "websocket.disconnect"]
