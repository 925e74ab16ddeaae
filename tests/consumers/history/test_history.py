"""Rooms that remember, in process."""

import asyncio
import json
import logging
import time
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from pytest_django import Settings
from redis.exceptions import RedisError

from consumers.catalogue import Exhibit, exhibits
from consumers.history import async_orm, plain_orm
from consumers.history.models import Message
from tests.support.history import (
    EXHIBITS,
    HTTP,
    TIMEOUT,
    InProcess,
    joined,
    receive_all,
    received_nothing,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("database", "in_memory")]

SOCKETS = [exhibit for exhibit in EXHIBITS if exhibit.protocol == "websocket"]
each_exhibit = pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.id)
ASYNC = [exhibit for exhibit in exhibits("history") if exhibit.is_async]
each_async = pytest.mark.parametrize("exhibit", ASYNC, ids=lambda exhibit: exhibit.id)
each_socket = pytest.mark.parametrize("exhibit", SOCKETS, ids=lambda exhibit: exhibit.id)


@pytest.fixture
def room() -> str:
    return uuid4().hex


@pytest.fixture
def layer() -> Any:
    return get_channel_layer("rooms")


async def store(room: str, *messages: object) -> None:
    """Store messages that are not published: to members of a room they are lost."""
    for message in messages:
        await sync_to_async(plain_orm.store)(room, json.dumps(message))


def replies(*numbers: int) -> list[str]:
    """What a member gets, where each message is its own number."""
    return [f'{{"id":{number},"message":{number}}}' for number in numbers]


# Messages have ids.


@each_exhibit
async def test_all_types_send_the_same_bytes(exhibit: Exhibit, room: str) -> None:
    """What one type takes, all types send, with the same id and the same bytes."""
    sent = '{"message": [1e22, 123456789012345678901234567890, "é\\u2028\\u0000\\n", {"b": 1}]}'
    everyone = [InProcess(one, room) for one in EXHIBITS]
    async with joined(*everyone):
        await everyone[EXHIBITS.index(exhibit)].send(sent)
        received = {await member.receive() for member in everyone}
    assert received == {
        '{"id":1,"message":[1e22,123456789012345678901234567890,"é\u2028\\u0000\\n",{"b":1}]}'
    }


async def test_ids_grow_by_room(room: str) -> None:
    """Each room counts its own messages, one by one."""
    member, other = InProcess(EXHIBITS[0], room), InProcess(EXHIBITS[1], f"{room}.other")
    async with joined(member, other):
        for number in (1, 2, 3):
            await member.send(f'{{"message": {number}}}')
        assert await receive_all(member, 3) == replies(1, 2, 3)
        await other.send('{"message": 1}')
        assert await receive_all(other, 1) == replies(1)


@each_socket
async def test_a_bad_request_is_not_stored(exhibit: Exhibit, room: str) -> None:
    """A bad request is answered to its sender alone, and gets no id."""
    member = InProcess(exhibit, room)
    async with joined(member):
        await member.send('{"massage": 1}')
        assert "invalid_request" in await member.receive()
        await member.send('{"message": 1}')
        assert await member.receive() == replies(1)[0]


async def test_post_returns_the_id(room: str) -> None:
    """A POST is answered with 202 and with what all members get."""
    poster = InProcess(HTTP, room)
    status, headers, body = await poster.request("POST", '{"message": "hi"}')
    assert (status, body) == (202, '{"id":1,"message":"hi"}')
    assert headers[b"Content-Type"] == b"application/json"
    assert headers[b"Content-Length"] == str(len(body)).encode()
    assert (await poster.request("POST", "nope"))[0] == 400


@each_exhibit
async def test_a_message_at_the_size_limit(exhibit: Exhibit, room: str, settings: Settings) -> None:
    """The largest message that the contract allows is stored and comes back."""
    largest = settings.LIMITS.max_message_bytes - len('{"message":""}')
    text = "ß" * (largest // 2)
    member = InProcess(exhibit, room)
    async with joined(member):
        await member.send(f'{{"message":"{text}"}}')
        assert await member.receive() == f'{{"id":1,"message":"{text}"}}'
    late = InProcess(exhibit, room, "after=0")
    async with joined(late):
        assert await late.receive() == f'{{"id":1,"message":"{text}"}}'


@each_exhibit
async def test_text_in_any_language(exhibit: Exhibit, room: str) -> None:
    """Characters of all scripts come out of the database as they went in."""
    text = "Grüße, 你好, שלום, مرحبا, नमस्ते, 👩‍👩‍👧‍👦, e\u0301, \u202e"
    async with joined(writer := InProcess(exhibit, room)):
        await writer.send(json.dumps({"message": text}))
        await writer.receive()
    async with joined(late := InProcess(exhibit, room, "after=0")):
        assert json.loads(await late.receive()) == {"id": 1, "message": text}


# What was missed.


@each_exhibit
async def test_resumes_where_the_client_left_off(exhibit: Exhibit, room: str) -> None:
    """A client that names its last id gets what it missed, in order, then what comes."""
    await store(room, *range(1, 251))  # more than two pages
    member = InProcess(exhibit, room, "after=3")
    async with joined(member):
        assert await receive_all(member, 250) == replies(*range(4, 251))
        await member.send('{"message": 251}')
        assert await receive_all(member, 251) == replies(251)


@each_exhibit
@pytest.mark.parametrize(("after", "expected"), [(0, [1, 2, 3]), (2, [3]), (3, [])])
async def test_resumes_at_the_edges(
    exhibit: Exhibit, room: str, after: int, expected: list[int]
) -> None:
    """After 0 comes everything, after the newest id nothing but what comes."""
    await store(room, 1, 2, 3)
    member = InProcess(exhibit, room, f"after={after}")
    async with joined(member):
        await member.send('{"message": 4}')
        assert await receive_all(member, 4) == replies(*expected, 4)


@each_exhibit
async def test_begins_with_what_comes(exhibit: Exhibit, room: str) -> None:
    """A client that names no id gets only what is stored after it joined."""
    await store(room, 1, 2, 3)
    member = InProcess(exhibit, room)
    async with joined(member):
        await member.send('{"message": 4}')
        assert await receive_all(member, 4) == replies(4)


@each_exhibit
async def test_whatever_is_stored_after_the_handshake_comes(exhibit: Exhibit, room: str) -> None:
    """As soon as a client knows that it is connected, it misses no message."""
    member = InProcess(exhibit, room)
    async with joined(member):
        await InProcess(HTTP, room).request("POST", '{"message": 1}')
        assert await member.receive() == replies(1)[0]


async def test_the_event_stream_resumes_by_its_header(room: str) -> None:
    """An EventSource names its last id in a header, which counts more than its old URL."""
    await store(room, 1, 2, 3, 4)
    member = InProcess(HTTP, room, "after=1", last_event_id="3")
    async with joined(member):
        assert await member.receive() == replies(4)[0]


@each_exhibit
async def test_says_what_is_gone(exhibit: Exhibit, room: str, settings: Settings) -> None:
    """A client that was away for too long gets to know before which id messages are gone."""
    settings.HISTORY_KEPT = 5
    async with joined(writer := InProcess(EXHIBITS[0], room)):
        for number in range(1, 13):
            await writer.send(f'{{"message": {number}}}')
        await receive_all(writer, 12)
    assert await Message.objects.filter(room=room).acount() == 5
    member = InProcess(exhibit, room, "after=3")
    async with joined(member):
        assert await receive_all(member, 12) == [
            '{"lost":{"before":8}}',
            *replies(8, 9, 10, 11, 12),
        ]
    at_the_edge = InProcess(exhibit, room, "after=7")
    async with joined(at_the_edge):
        assert await receive_all(at_the_edge, 12) == replies(8, 9, 10, 11, 12)


async def test_forgetting_does_not_restart_the_ids(room: str, settings: Settings) -> None:
    """Where only one message is kept, the next one has the next id still."""
    settings.HISTORY_KEPT = 1
    async with joined(member := InProcess(EXHIBITS[1], room)):
        for number in range(1, 6):
            await member.send(f'{{"message": {number}}}')
        assert await receive_all(member, 5) == replies(1, 2, 3, 4, 5)
    assert await Message.objects.filter(room=room).acount() == 1


@each_exhibit
async def test_resumes_while_messages_come(exhibit: Exhibit, room: str) -> None:
    """A client that catches up while others write gets every message once and in order."""
    await store(room, *range(1, 151))
    writer = InProcess(EXHIBITS[1], room)
    async with joined(writer):

        async def write() -> None:
            for number in range(151, 301):
                await writer.send(f'{{"message": {number}}}')
                await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        member = InProcess(exhibit, room, "after=0")
        async with joined(member):
            assert await receive_all(member, 300) == replies(*range(1, 301))
        await writing


# What is published may be lost.


@each_exhibit
async def test_a_gap_is_filled_from_the_database(exhibit: Exhibit, room: str) -> None:
    """A member that did not get an event has its message with the next one."""
    member = InProcess(exhibit, room)
    async with joined(member):
        await store(room, 1, 2)
        await member.send('{"message": 3}')
        assert await receive_all(member, 3) == replies(1, 2, 3)


@each_exhibit
async def test_a_lost_event_is_found_by_a_check(
    exhibit: Exhibit, room: str, settings: Settings
) -> None:
    """A message whose event is lost comes all the same, although nothing else happens."""
    settings.HISTORY_CHECK_SECONDS = 0.05
    member = InProcess(exhibit, room)
    async with joined(member):
        await store(room, 1, 2)
        assert await receive_all(member, 2) == replies(1, 2)


@each_exhibit
async def test_a_check_is_not_kept_off_by_bad_requests(
    exhibit: Exhibit, room: str, settings: Settings
) -> None:
    """A client that sends all the time, but nothing good, has its checks too."""
    settings.HISTORY_CHECK_SECONDS = 0.05
    member = InProcess(exhibit, room)
    async with joined(member):

        async def keep_sending() -> None:
            while True:
                await member.send("nope")
                await asyncio.sleep(0.01)

        sending = asyncio.create_task(keep_sending())
        await store(room, 1)
        while "error" in (reply := await member.receive()):
            pass
        sending.cancel()
        assert reply == replies(1)[0]


@each_exhibit
async def test_an_event_that_comes_twice_is_sent_once(
    exhibit: Exhibit, room: str, layer: Any
) -> None:
    """An event that is old or comes again is left out."""
    member = InProcess(exhibit, room)
    async with joined(member):
        await InProcess(HTTP, room).request("POST", '{"message": 1}')
        await InProcess(HTTP, room).request("POST", '{"message": 2}')
        for number in (1, 2, 1):
            event = {"type": "history.message", "id": number, "text": replies(number)[0]}
            await layer.group_send(f"hist.{room}", event)
        await InProcess(HTTP, room).request("POST", '{"message": 3}')
        assert await receive_all(member, 3) == replies(1, 2, 3)


@each_exhibit
async def test_a_layer_that_does_not_answer_loses_nothing(
    exhibit: Exhibit, room: str, settings: Settings, layer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that is stored but cannot be published is accepted, and comes by a check."""
    settings.HISTORY_CHECK_SECONDS = 0.05

    async def fail(*_: object) -> None:
        raise RedisError

    monkeypatch.setattr(layer, "group_send", fail)
    member, other = InProcess(exhibit, room), InProcess(EXHIBITS[0], room)
    async with joined(member, other):
        await member.send('{"message": 1}')
        assert await member.receive() == await other.receive() == replies(1)[0]


async def test_idle_members_share_their_checks(
    room: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many members a room has here, a check costs one query."""
    asked = []

    async def missed(room: str, last: int) -> list[tuple[int, str]]:
        asked.append(last)
        return await original(room, last)

    original = async_orm.missed
    settings.HISTORY_CHECK_SECONDS = 0.1
    async with joined(*(InProcess(EXHIBITS[1], room) for _ in range(100))):
        monkeypatch.setattr(async_orm, "missed", missed)
        began = time.monotonic()
        await asyncio.sleep(1)
        checks = (time.monotonic() - began) / 0.1 + 1
        assert 1 <= len(asked) <= checks


# Bad input.

BAD = [
    "x",
    "",
    "-1",
    "1.5",
    "1e3",
    "+1",
    "0x1",
    "9" * 400,
    "9" * 5000,
    "١٢",
    "%00",
    "%ff%fe",
    "1%0a",
    " 1",
    "null",
]


@each_socket
@pytest.mark.parametrize("after", BAD)
async def test_a_bad_after_is_answered(exhibit: Exhibit, room: str, after: str) -> None:
    """An "after" that is no id is answered with an error, and the connection stays useful."""
    await store(room, 1)
    member = InProcess(exhibit, room, f"after={after}")
    async with joined(member):
        assert await member.receive() == (
            '{"error":{"code":"invalid_request",'
            '"detail":"The \\"after\\" is not the id of a message."}}'
        )
        await member.send('{"message": 2}')
        assert await member.receive() == replies(2)[0]


@pytest.mark.parametrize("after", BAD)
async def test_a_bad_after_of_an_event_stream_is_a_400(room: str, after: str) -> None:
    """Over HTTP it has the status of a bad request, in the URL and in the header."""
    answers = [await InProcess(HTTP, room, f"after={after}").request("GET")]
    if after and "%" not in after:
        answers.append(await InProcess(HTTP, room, "", last_event_id=after).request("GET"))
    for status, _, body in answers:
        assert status == 400
        assert json.loads(body)["error"]["code"] == "invalid_request"


@each_exhibit
@pytest.mark.parametrize("after", [2, 10**17, 10**18 - 1])
async def test_an_after_beyond_the_newest_is_answered(
    exhibit: Exhibit, room: str, after: int
) -> None:
    """An id that the room has not reached is an error, and the member begins with what comes."""
    await store(room, 1)
    member = InProcess(exhibit, room, f"after={after}")
    async with joined(member):
        detail = f'The \\"after\\" is {after}, but the newest id is 1.'
        assert await member.receive() == (
            f'{{"error":{{"code":"invalid_request","detail":"{detail}"}}}}'
        )
        await member.send('{"message": 2}')
        assert await member.receive() == replies(2)[0]


# Coming and going.


@each_exhibit
async def test_leaves_nothing_behind(exhibit: Exhibit, room: str, layer: Any) -> None:
    """A member that has left is in no group, and none of its tasks goes on."""
    member = InProcess(exhibit, room)
    await member.join()
    assert len(layer.groups[f"hist.{room}"]) == 1
    await member.leave()
    assert layer.groups == {}
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert member.unread() == []


@each_async
async def test_a_member_that_is_cancelled_is_in_no_group(
    exhibit: Exhibit, room: str, layer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer that its server cancels while it waits for the database has left its room."""
    waits = asyncio.Event()

    async def newest(_room: str) -> int:
        waits.set()
        return await asyncio.Future()

    monkeypatch.setattr(async_orm, "newest", newest)
    member = InProcess(exhibit, room)
    joining = asyncio.create_task(member.join())
    async with asyncio.timeout(TIMEOUT):
        await waits.wait()
    assert len(layer.groups[f"hist.{room}"]) == 1
    member.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert layer.groups == {}


@each_exhibit
async def test_logs_its_connection(
    exhibit: Exhibit, room: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each connection has a line for its connect, its receive and its disconnect."""
    path = exhibit.url_in(room)
    with caplog.at_level(logging.DEBUG, "consumers"):
        async with joined(member := InProcess(exhibit, room)):
            await member.send('{"message": 1}')
            await member.receive()
    code = "" if exhibit.protocol == "http" else " 1001"
    lines = [f"127.0.0.1:1 {path} {what}" for what in ("connect", "receive", f"disconnect{code}")]
    times = 2 if exhibit.protocol == "http" else 1  # the stream, and the POST
    assert sorted(caplog.messages) == sorted(lines * times)


async def test_head_and_refusals_are_those_of_rooms(room: str) -> None:
    """HEAD has the headers of GET, other methods are 405, and a stream has to be asked for."""
    asking = InProcess(HTTP, room)
    status, headers, body = await asking.request("HEAD")
    assert (status, headers[b"Content-Type"], body) == (200, b"text/event-stream", "")
    assert (await asking.request("DELETE"))[0] == 405


async def test_the_longest_name_of_a_room(layer: Any) -> None:
    """A name of 94 characters makes a group that every layer accepts."""
    name = "x" * 94
    async with joined(member := InProcess(EXHIBITS[0], name)):
        await member.send('{"message": 1}')
        assert await member.receive()
        assert layer.require_valid_group_name(next(iter(layer.groups)))


@pytest.mark.parametrize("edition", ["history"])
async def test_is_idle_without_a_word(edition: str, room: str, settings: Settings) -> None:
    """A member of a silent room gets nothing but what it asks for."""
    settings.HISTORY_CHECK_SECONDS = 0.02
    everyone = [InProcess(exhibit, room) for exhibit in exhibits(edition)]
    async with joined(*everyone):
        quiet = await asyncio.gather(*(received_nothing(one, 0.3) for one in everyone))
    assert all(quiet)
