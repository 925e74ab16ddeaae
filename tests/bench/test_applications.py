"""What is measured has nothing in front, and logs what the others log."""

import json
import logging

import pytest
from channels.testing import HttpCommunicator, WebsocketCommunicator

from sandbox.bench import peers
from sandbox.bench.application import application
from sandbox.bench.exhibits import MEASURABLE, Exhibit

pytestmark = pytest.mark.asyncio

FOREIGN = [(b"origin", b"https://evil.example")]


async def test_no_session_stack_and_no_origin_check_is_in_front() -> None:
    """A consumer sees neither session nor user, and a foreign page may connect."""
    websocket = WebsocketCommunicator(application, "/scope/websocket/", headers=FOREIGN)
    is_accepted, _ = await websocket.connect()
    scope = json.loads(await websocket.receive_from())
    await websocket.disconnect()

    assert is_accepted
    assert (scope["session"], scope["user"]) == (None, None)

    response = await HttpCommunicator(application, "GET", "/scope/async-http/").get_response()
    scope = json.loads(response["body"])
    assert (scope["session"], scope["user"]) == (None, None)


@pytest.mark.parametrize(
    "exhibit", [one for one in MEASURABLE if one.is_reference], ids=lambda one: one.id
)
async def test_peers_log_what_consumers_log(
    exhibit: Exhibit, caplog: pytest.LogCaptureFixture
) -> None:
    """Each connection has a line for connect, one for each message, and one for disconnect."""
    served = application if exhibit.entry else getattr(peers, exhibit.id.partition("/")[0])
    caplog.set_level(logging.DEBUG, "consumers")
    caplog.handler.setLevel(logging.DEBUG)
    logging.getLogger("consumers").addHandler(caplog.handler)  # which does not propagate
    if exhibit.scheme == "http":
        http = HttpCommunicator(served, "POST", exhibit.path, body=b'{"message": "hi"}')
        assert json.loads((await http.get_response())["body"]) == {"message": "hi"}
        end = "disconnect"
    else:
        websocket = WebsocketCommunicator(served, exhibit.path)
        await websocket.connect()
        await websocket.send_to('{"message": "hi"}')
        assert json.loads(await websocket.receive_from()) == {"message": "hi"}
        await websocket.disconnect(code=1001)
        end = "disconnect 1001"
    logging.getLogger("consumers").removeHandler(caplog.handler)

    assert [record.getMessage() for record in caplog.records if record.name == "consumers"] == [
        f"-:- {exhibit.path} {event}" for event in ("connect", "receive", end)
    ]
