"""The HTTP consumers that docs/rooms.md shows: an event stream, and long polling."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels.testing import ApplicationCommunicator, HttpCommunicator

PAGE = Path(__file__).parents[2] / "docs" / "rooms.md"


def shown(mark: str, of: str = "", by: str = "") -> dict[str, Any]:
    """Run the program of the page, with one thing replaced, and return its names."""
    block = re.search(rf"<!-- {mark} -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    names: dict[str, Any] = {}
    exec(block[1].replace(of, by) if of else block[1], names)  # noqa: S102 # ours
    return names


def poll(seconds: float) -> Any:
    """Return the consumer, which waits for the number of seconds that it is given."""
    names = shown("long-polling", "timeout(25)", f"timeout({seconds})")
    return names["PollConsumer"].as_asgi()


@pytest.mark.asyncio
async def test_an_event_stream_sends_each_message() -> None:
    """Who follows gets each line that is sent to the room, and leaves it when the client does."""
    layer: Any = get_channel_layer("rooms")
    scope = {"type": "http", "method": "GET", "path": "/events/", "headers": []}
    communicator: Any = ApplicationCommunicator  # it has no types
    stream = communicator(shown("event-stream")["EventsConsumer"].as_asgi(), scope)
    await stream.send_input({"type": "http.request", "body": b"a", "more_body": True})
    await stream.send_input({"type": "http.request"})
    start = await stream.receive_output(timeout=30)
    assert start["headers"] == [(b"Content-Type", b"text/event-stream")]
    assert (await stream.receive_output(timeout=30))["body"] == b": following\n\n"

    for text, lines in (("one", "data: one\n"), ("a\r\nid: 1\n", "data: a\ndata: id: 1\ndata: \n")):
        await layer.group_send("room.lobby", {"type": "room.message", "text": text})
        event = await stream.receive_output(timeout=30)
        assert (event["body"], event["more_body"]) == (f"{lines}\n".encode(), True)

    await stream.send_input({"type": "http.disconnect"})
    await stream.wait(timeout=30)
    assert not layer.groups.get("room.lobby")


@pytest.mark.asyncio
async def test_a_poll_is_answered_with_the_next_message() -> None:
    """A client that waits gets what is sent to the room, and leaves the room."""
    layer: Any = get_channel_layer("rooms")
    client = HttpCommunicator(poll(seconds=30), "GET", "/poll/")
    response = asyncio.create_task(client.get_response(timeout=30))
    while not layer.groups.get("room.lobby"):
        await asyncio.sleep(0.01)

    await layer.group_send("room.lobby", {"type": "room.message", "text": '{"message":"hi"}'})

    assert (await response)["body"] == b'{"message":"hi"}'
    assert not layer.groups.get("room.lobby")


@pytest.mark.asyncio
async def test_a_poll_ends_without_a_message() -> None:
    """A client to which nothing is sent gets 204 when the time is over."""
    client = HttpCommunicator(poll(seconds=0.1), "GET", "/poll/")

    response = await client.get_response(timeout=30)

    assert (response["status"], response["body"]) == (204, b"")
