"""What docs/contract.md says about empty messages and Channels' own test tools."""

import pytest
from channels.testing import WebsocketCommunicator

from consumers.echo.async_websocket import EchoConsumer


@pytest.mark.asyncio
async def test_a_communicator_sends_an_empty_text_as_an_event_only() -> None:
    """``send_to`` takes no empty text; as an event it reaches the consumer, which answers."""
    communicator = WebsocketCommunicator(EchoConsumer.as_asgi(), "/echo/")
    await communicator.connect(timeout=30)

    with pytest.raises(AssertionError):
        await communicator.send_to(text_data="")
    await communicator.send_input({"type": "websocket.receive", "text": ""})

    assert "invalid_json" in await communicator.receive_from(timeout=30)
    await communicator.disconnect(timeout=30)
