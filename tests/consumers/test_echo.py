"""What each echo consumer does beyond replying: its log, its delay, its HTTP manners."""

import asyncio
import logging
import time

import pytest
from channels.layers import get_channel_layer
from channels.testing import HttpCommunicator, WebsocketCommunicator
from django.utils.module_loading import import_string

from consumers.catalogue import Exhibit, exhibits
from sandbox.asgi import application
from sandbox.processes.servers import Server
from sandbox.wire import ClosedError, http, websocket

ECHO = list(exhibits("echo"))
each_socket = pytest.mark.parametrize(
    "exhibit", [e for e in ECHO if e.protocol == "websocket"], ids=lambda exhibit: exhibit.id
)
HTTP = "/echo/async-http/"


@pytest.mark.parametrize("exhibit", ECHO, ids=lambda exhibit: exhibit.id)
@pytest.mark.asyncio
async def test_logs_its_events(exhibit: Exhibit, caplog: pytest.LogCaptureFixture) -> None:
    """Connect, receive and disconnect are logged, one line each, with a WebSocket's close code."""
    caplog.set_level(logging.DEBUG, "consumers")
    caplog.handler.setLevel(logging.DEBUG)
    logging.getLogger("consumers").addHandler(caplog.handler)  # which does not propagate
    try:
        if exhibit.protocol == "http":
            request = HttpCommunicator(application, "POST", exhibit.url, b'{"message":1}')
            await request.get_response(10)
            await request.wait(10)
        else:
            communicator = WebsocketCommunicator(application, exhibit.url)
            await communicator.connect(10)
            await communicator.send_to(text_data='{"message":1}')
            await communicator.receive_from(10)
            await communicator.disconnect(4000, timeout=10)
    finally:
        logging.getLogger("consumers").removeHandler(caplog.handler)

    assert caplog.messages == [
        f"-:- {exhibit.url} connect",
        f"-:- {exhibit.url} receive",
        f"-:- {exhibit.url} disconnect" + (" 4000" if exhibit.protocol == "websocket" else ""),
    ]


@pytest.mark.parametrize("exhibit", ECHO, ids=lambda exhibit: exhibit.id)
@pytest.mark.asyncio
async def test_waits_as_long_as_it_is_asked_to(daphne: Server, exhibit: Exhibit) -> None:
    """A delay passes before the reply, and only once."""
    began = time.perf_counter()
    if exhibit.protocol == "http":
        await http("POST", daphne.url + exhibit.url, body=b'{"message":1,"delay":0.3}')
    else:
        async with websocket(daphne.url + exhibit.url) as connection:
            await connection.send('{"message":1,"delay":0.3}')
            await connection.receive()

    assert time.perf_counter() - began >= 0.3


@each_socket
@pytest.mark.asyncio
async def test_a_client_that_vanishes_while_waiting_ends_the_consumer(
    daphne: Server, exhibit: Exhibit
) -> None:
    """A connection lost during a delay is seen to its end: the consumer's disconnect runs."""
    async with websocket(daphne.url + exhibit.url) as connection:
        await connection.send('{"message":1,"delay":0.2}')
        line = f"{connection.local_address} {exhibit.url} disconnect 1006"
        connection.vanish()

    async with asyncio.timeout(10):
        while line not in daphne.log():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("exhibit", ECHO, ids=lambda exhibit: exhibit.id)
def test_asks_for_no_channel_layer(exhibit: Exhibit) -> None:
    """An echo consumer names a layer that is not there, so no layer can take it down."""
    assert get_channel_layer(import_string(exhibit.consumer).channel_layer_alias) is None


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b"[" * 200, 400), (b" " * 65_537, 413)],
    ids=["invalid_json", "invalid_request", "too_deep", "too_large"],
)
@pytest.mark.asyncio
async def test_http_says_errors_in_its_status(daphne: Server, body: bytes, status: int) -> None:
    """Every error code has its HTTP status."""
    assert (await http("POST", daphne.url + HTTP, body=body)).status == status


@pytest.mark.asyncio
async def test_http_answers_before_it_has_read_a_body_that_is_too_large() -> None:
    """413 comes as soon as the limit is passed, although the client has more to send."""
    communicator = HttpCommunicator(application, "POST", HTTP)
    for piece in range(9):
        await communicator.send_input(
            {"type": "http.request", "body": b"x" * 16_000, "more_body": piece < 8}
        )

    assert (await communicator.receive_output(10))["status"] == 413
    assert not communicator.input_queue.empty()
    await communicator.receive_output(10)
    await communicator.wait(10)


@pytest.mark.asyncio
async def test_http_joins_the_pieces_of_a_body() -> None:
    """A body that comes in pieces, one of them cut inside a character, is echoed whole."""
    communicator = HttpCommunicator(application, "POST", HTTP)
    first, second = b'{"message":"\xc3', b'\xa9"}'
    await communicator.send_input({"type": "http.request", "body": first, "more_body": True})
    await communicator.send_input({"type": "http.request", "body": second, "more_body": False})
    await communicator.receive_output(10)

    assert (await communicator.receive_output(10))["body"] == '{"message":"é"}'.encode()
    await communicator.wait(10)


@pytest.mark.parametrize("path", [HTTP, "/rooms/lobby/async-http/"])
@pytest.mark.asyncio
async def test_http_measures_each_piece_of_a_body_once(path: str) -> None:
    """A body in many small pieces costs no more than they do: none is measured again."""
    measured = []

    class Piece(bytes):
        def __len__(self) -> int:
            measured.append(self)
            return super().__len__()

    communicator = HttpCommunicator(application, "POST", path)
    for byte in b'{"message":1}':
        body = Piece([byte])
        await communicator.send_input(
            {"type": "http.request", "body": body, "more_body": body != b"}"}
        )
    await communicator.receive_output(10)

    assert (await communicator.receive_output(10))["body"] == b'{"message":1}'
    await communicator.wait(10)
    assert len(measured) == len(b'{"message":1}')


@pytest.mark.asyncio
async def test_the_tutorials_address_answers_the_tutorials_snippet(daphne: Server) -> None:
    """``/ws/chat/`` echoes what the tutorial's browser snippet sends, from a page of this site."""
    async with websocket(f"{daphne.url}/ws/chat/", origin=daphne.url) as connection:
        await connection.send('{"message":"nuestro mensaje"}')

        assert await connection.receive() == '{"message": "nuestro mensaje"}'


@pytest.mark.asyncio
async def test_the_tutorial_dies_where_echo_answers(daphne: Server) -> None:
    """Bad input ends the tutorial's connection with 1011."""
    async with websocket(f"{daphne.url}/ws/chat/") as connection:
        await connection.send("hi")
        with pytest.raises(ClosedError) as closed:
            await connection.receive()

        assert closed.value.code == 1011
