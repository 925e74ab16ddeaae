"""The WebSocket client, against a real server."""

import pytest
from websockets.frames import Opcode

from sandbox.processes.servers import Server
from sandbox.wire import ClosedError, Pong, RefusedError, websocket

pytestmark = pytest.mark.asyncio


async def test_text_and_binary_and_pongs_come_back_in_order(daphne: Server) -> None:
    """Messages and pongs are received in the order in which they arrive."""
    async with websocket(f"{daphne.url}/echo/async-websocket/") as connection:
        await connection.send_frame(Opcode.PING, b"one")
        assert await connection.receive() == Pong(b"one")
        await connection.send('{"message":"é"}')
        assert await connection.receive() == '{"message":"é"}'
        await connection.send(b'{"message":2}')
        assert await connection.receive() == '{"message":2}'


async def test_fragments_are_sent_as_they_are_given(daphne: Server) -> None:
    """A message can be split anywhere, even inside a character."""
    async with websocket(f"{daphne.url}/echo/websocket/") as connection:
        message = '{"message":"é"}'.encode()
        await connection.send_frame(Opcode.TEXT, message[:13], fin=False)
        await connection.send_frame(Opcode.CONT, message[13:])
        assert await connection.receive() == message.decode()


async def test_a_frame_that_breaks_the_rules_is_sent(daphne: Server) -> None:
    """A continuation of nothing reaches the server, which ends the connection."""
    async with websocket(f"{daphne.url}/echo/websocket/") as connection:
        await connection.send_frame(Opcode.CONT, b"of nothing")
        with pytest.raises(ClosedError) as closed:
            await connection.receive()
        assert closed.value.code in (1002, 1006)


async def test_a_close_is_answered_with_its_code(daphne: Server) -> None:
    """Closing returns the code that the server answered with."""
    async with websocket(f"{daphne.url}/echo/websocket/") as connection:
        assert (await connection.close(4000)).code == 1000
        with pytest.raises(ClosedError):
            await connection.receive()


async def test_silence_is_a_timeout(daphne: Server) -> None:
    """A wait for nothing ends after the time given, and the connection stays usable."""
    async with websocket(f"{daphne.url}/echo/websocket/") as connection:
        with pytest.raises(TimeoutError):
            await connection.receive(timeout=0.05)
        await connection.send('{"message":1}')
        assert await connection.receive() == '{"message":1}'


async def test_a_refused_handshake_has_its_status(daphne: Server) -> None:
    """A foreign origin is refused with 403."""
    with pytest.raises(RefusedError) as refused:
        async with websocket(f"{daphne.url}/echo/websocket/", origin="https://evil.example"):
            pass
    assert refused.value.status == 403
