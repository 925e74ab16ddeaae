"""A room, from any of its five doors."""

import asyncio
from typing import Any

import pytest
from channels.layers import get_channel_layer
from pytest_django import Settings

from consumers.contract import Error, answer, decode, encode
from routing.urls import RoomConverter
from tests.support.asgi import Connection
from tests.support.members import SLUGS, Member, members, request

pytestmark = pytest.mark.asyncio

EVENTS = {b"accept": b"text/event-stream"}


@pytest.fixture(autouse=True)
def in_memory(settings: Settings) -> None:
    """Give each test a new in-memory layer, whatever REDIS_URL says."""
    settings.CHANNEL_LAYERS = {"rooms": {"BACKEND": "sandbox.layers.in_memory.InMemoryLayer"}}


def groups() -> Any:
    layer: Any = get_channel_layer("rooms")
    return layer.groups


@pytest.mark.parametrize("slug", SLUGS)
async def test_everyone_in_the_room_hears_the_same_bytes(slug: str) -> None:
    """What one type sends, all five hear, the sender too, byte for byte as the contract says."""
    sent = '{"message": [1e22, 123456789012345678901234567890, "é\\u2028\\n", {"b": 1, "a": null}]}'
    async with members("lobby", *SLUGS) as present:
        await present[SLUGS.index(slug)].send(sent)
        heard = [await member.hear() for member in present]
    assert set(heard) == {
        '{"message":[1e22,123456789012345678901234567890,"é\u2028\\n",{"b":1,"a":null}]}'
    }


@pytest.mark.parametrize("slug", SLUGS)
async def test_an_error_is_for_its_sender_alone(slug: str, settings: Settings) -> None:
    """A bad request is answered in the contract's words, and no other member receives it."""
    async with members("lobby", *SLUGS) as present:
        sender = present[SLUGS.index(slug)]
        for bad in ("nope", "[1]", "{}", '{"message": 1, "delay": -1}', "[" * 200):
            await sender.send(bad)
            reply = answer(decode(bad, settings.LIMITS))
            assert isinstance(decode(bad, settings.LIMITS), Error)
            assert await sender.hear_refusal() == encode(reply)
        await sender.send('{"message": "good"}')
        assert [await member.hear() for member in present] == ['{"message":"good"}'] * 5


async def test_another_room_hears_nothing() -> None:
    """A message stays in its room."""
    async with members("here", *SLUGS) as here, members("there", *SLUGS) as there:
        await here[0].send('{"message": "here"}')
        await there[0].send('{"message": "there"}')
        assert [await member.hear() for member in here] == ['{"message":"here"}'] * 5
        assert [await member.hear() for member in there] == ['{"message":"there"}'] * 5


@pytest.mark.parametrize("code", [1000, 1006])
async def test_a_member_that_leaves_is_in_no_group(code: int) -> None:
    """A member that closes, or drops without a close, leaves nothing behind."""
    present = [Member(slug, "lobby") for slug in SLUGS]
    for member in present:
        await member.join()
    assert len(groups()["room.lobby"]) == 5
    for member in present:
        await member.leave(code)
    assert groups() == {}


async def test_a_member_that_dies_is_in_no_group() -> None:
    """A consumer that an exception ends has left its room, though disconnect() was not called."""
    present = [Member(slug, "lobby") for slug in SLUGS]
    for member in present:
        await member.join()
    layer: Any = get_channel_layer("rooms")
    await layer.group_send("room.lobby", {"type": "no.such.handler"})
    for member in present:
        with pytest.raises(ValueError, match="No handler"):
            await member.connection.task
    assert groups() == {}


@pytest.mark.parametrize("name", ["a b", "é", "a/b", "a!", "x" * 95, "", "a\n"])
async def test_a_name_that_no_group_can_have_is_no_room(name: str) -> None:
    """A room whose name the layers would refuse is 404, over WebSockets and over HTTP."""
    path = f"/rooms/{name}/async-websocket/"
    socket = Connection({"type": "websocket", "path": path, "extensions": {}})
    await socket.end({"type": "websocket.connect"})
    assert await socket.event() == {"type": "websocket.close"}
    status, _, _ = await request(name, "POST", b'{"message": 1}')
    assert status == 404


async def test_a_name_that_a_group_can_have_is_a_room() -> None:
    """Letters, digits, hyphen, underscore and full stop make a name, up to 94 of them."""
    for name in ("a", "A-b_c.9", "x" * 94):
        assert (await request(name, "POST", b'{"message": 1}'))[0] == 202
        layer: Any = get_channel_layer("rooms")
        assert layer.require_valid_group_name(f"room.{name}")
    assert "{1,94}" in RoomConverter.regex


async def test_post_publishes() -> None:
    """POST is answered with 202 and the message."""
    status, headers, body = await request("lobby", "POST", b'{"message": "hi"}')
    assert (status, body) == (202, b'{"message":"hi"}')
    assert headers[b"Content-Type"] == b"application/json"
    assert headers[b"Cache-Control"] == b"no-store"


async def test_a_bad_post_is_answered_as_the_contract_says() -> None:
    """An error has the contract's status and words."""
    status, _, body = await request("lobby", "POST", b"nope")
    assert status == 400
    assert b"invalid_json" in body
    assert (await request("lobby", "POST", b"[" * 70_000))[0] == 413


async def test_get_needs_the_right_accept() -> None:
    """GET without Accept: text/event-stream gets an error, for a crawler would hang for ever."""
    status, _, body = await request("lobby", "GET", headers={b"accept": b"*/*"})
    assert status == 406
    assert b"text/event-stream" in body


async def test_head_has_the_headers_of_get() -> None:
    """HEAD says what GET would, and ends."""
    status, headers, body = await request("lobby", "HEAD", headers=EVENTS)
    assert (status, headers[b"Content-Type"], body) == (200, b"text/event-stream", b"")
    assert (await request("lobby", "HEAD"))[0] == 406


async def test_other_methods_are_told_what_there_is() -> None:
    """A method that means nothing here is 405, with Allow."""
    status, headers, _ = await request("lobby", "DELETE")
    assert (status, headers[b"Allow"]) == (405, b"GET, HEAD, POST")


async def test_a_foreign_page_cannot_publish() -> None:
    """A POST from another site's page is refused; one from this site's is not."""
    for origin, expected in ((b"http://evil.example", 403), (b"http://localhost:8000", 202)):
        status, _, _ = await request("lobby", "POST", b'{"message": 1}', {b"origin": origin})
        assert status == expected


async def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A follower of a silent room gets comments, which an EventSource ignores."""
    monkeypatch.setattr("consumers.rooms.event_stream.KEEP_ALIVE", 0.01)
    follower = Member("async-http", "lobby")
    await follower.join()
    event = await follower.connection.event()
    assert event["body"].startswith(b":")
    await follower.connection.end({"type": "http.disconnect"})
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}  # no comments are sent any more
