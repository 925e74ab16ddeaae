"""What is measured has the same in front, and logs what the others log."""

import json
import logging
from typing import Any

import pytest
from channels.testing import HttpCommunicator, WebsocketCommunicator

from sandbox.asgi import application
from sandbox.bench import peers
from sandbox.bench.exhibits import MEASURABLE, Exhibit

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    "exhibit", [one for one in MEASURABLE if one.entry], ids=lambda one: one.id
)
async def test_no_session_stack_is_in_front(
    exhibit: Exhibit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No exhibit that is measured pays for a session or a user that others do without."""
    scopes: list[Any] = []
    monkeypatch.setattr("consumers.connection_log.connected", scopes.append)
    monkeypatch.setattr("consumers.connection_log.received", scopes.append)
    if exhibit.scheme == "http":
        http = HttpCommunicator(application, "POST", exhibit.path, body=b'{"message": "hi"}')
        await http.get_response()
    else:
        websocket = WebsocketCommunicator(application, exhibit.path)
        await websocket.connect()
        await websocket.disconnect()

    assert scopes
    assert not any({"session", "user"} & scope.keys() for scope in scopes)


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
