"""The long-polling consumer of docs/rooms.md."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels.testing import HttpCommunicator

PAGE = Path(__file__).parents[2] / "docs" / "rooms.md"


@pytest.fixture
def consumer() -> Any:
    """The class that the page shows, which waits for the number of seconds that it is given."""
    block = re.search(r"<!-- long-polling -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block

    def of(seconds: float) -> Any:
        namespace: dict[str, Any] = {}
        exec(block[1].replace("timeout(25)", f"timeout({seconds})"), namespace)  # noqa: S102 # ours
        return namespace["PollConsumer"].as_asgi()

    return of


@pytest.mark.asyncio
async def test_a_poll_is_answered_with_the_next_message(consumer: Any) -> None:
    """A client that waits gets what is sent to the room, and leaves the room."""
    layer: Any = get_channel_layer("rooms")
    client = HttpCommunicator(consumer(seconds=30), "GET", "/poll/")
    response = asyncio.create_task(client.get_response(timeout=30))
    while not layer.groups.get("room.lobby"):
        await asyncio.sleep(0.01)

    await layer.group_send("room.lobby", {"type": "room.message", "text": '{"message":"hi"}'})

    assert (await response)["body"] == b'{"message":"hi"}'
    assert not layer.groups.get("room.lobby")


@pytest.mark.asyncio
async def test_a_poll_ends_without_a_message(consumer: Any) -> None:
    """A client to which nothing is sent gets 204 when the time is over."""
    client = HttpCommunicator(consumer(seconds=0.1), "GET", "/poll/")

    response = await client.get_response(timeout=30)

    assert (response["status"], response["body"]) == (204, b"")
