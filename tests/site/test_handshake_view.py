"""What an exhibit's page shows of a connection: headers of the handshake, a ping, the close."""

import asyncio
import re
from urllib.parse import urlencode

import pytest

from consumers.catalogue import CATALOGUE, Exhibit
from sandbox.processes.servers import Server, free_port, installed, serve
from sandbox.site import on_the_wire
from sandbox.wire import Response, Trace, http

EXHIBITS = {exhibit.id: exhibit for exhibit in CATALOGUE}
ECHO = EXHIBITS["echo/websocket"]


async def look(server: Server, exhibit: str, **wanted: str) -> Response:
    """Ask for it as the page's form does, with a Host whose port leads elsewhere."""
    headers = [("Host", f"localhost:{free_port()}")]
    page = f"{server.url}/exhibits/{exhibit}/"
    form = await http("GET", page, headers=headers)
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', form.body)
    assert token
    fields = {"csrfmiddlewaretoken": token[1].decode(), "code": "1000", **wanted}
    cookie = (form.header("set-cookie") or "").partition(";")[0]
    headers += [("Cookie", cookie), ("Content-Type", "application/x-www-form-urlencoded")]
    return await http("POST", f"{page}wire/", headers=headers, body=urlencode(fields).encode())


@pytest.mark.parametrize("name", installed())
def test_each_server_finds_itself(name: str) -> None:
    """On every server the connection goes to this very server, whatever port the Host names."""
    with serve(name) as server:
        shown = asyncio.run(look(server, "tutorial/websocket", message="{"))
        assert "sec-websocket-accept" in shown.body.decode().lower()
        assert "The server ended the connection: 10" in shown.body.decode()
        shown = asyncio.run(look(server, "echo/async-http", message="{"))
        assert "invalid_json" in shown.body.decode()


@pytest.mark.asyncio
async def test_a_room_is_not_disturbed(daphne: Server) -> None:
    """To an exhibit with rooms no message is sent, even if one is given."""
    shown = (await look(daphne, "rooms/websocket", message='{"message": "spam"}')).body.decode()
    assert "← pong" in shown
    assert "spam" not in shown


@pytest.mark.asyncio
async def test_another_site_cannot_ask_for_it(daphne: Server) -> None:
    """Without the token of the form nothing is opened: the answer is 403; OPTIONS is 405."""
    url = f"{daphne.url}/exhibits/echo/websocket/wire/"
    assert (await http("POST", url, body=b"code=1000")).status == 403
    assert (await http("OPTIONS", url)).status == 405


@pytest.mark.asyncio
async def test_the_address_of_a_result_leads_to_the_exhibit(daphne: Server) -> None:
    """A browser that is given the address of what it was shown gets the page to ask again."""
    response = await http("GET", f"{daphne.url}/exhibits/echo/websocket/wire/")
    assert (response.status, response.header("location")) == (302, "/exhibits/echo/websocket/")
    assert (await http("GET", f"{daphne.url}/exhibits/echo/nothing/wire/")).status == 404


async def record(server: Server, exhibit: Exhibit, message: str) -> tuple[Trace, str]:
    wanted = {"message": message, "code": 1000, "reason": ""}
    address = ("127.0.0.1", server.port)
    return await on_the_wire.record(exhibit, address, exhibit.url, "localhost", wanted)


@pytest.mark.asyncio
async def test_only_a_few_at_once(daphne: Server) -> None:
    """Of many at a time all but a few are asked to come back, and those few are answered."""
    asked = [record(daphne, ECHO, '{"message": 1, "delay": 0.5}') for _ in range(6)]
    failures = [failure for _, failure in await asyncio.gather(*asked)]
    assert failures == [""] * on_the_wire.AT_ONCE + [
        "Too many visitors are doing this now: try again in a moment."
    ] * (6 - on_the_wire.AT_ONCE)
    assert (await record(daphne, ECHO, "1"))[1] == ""


@pytest.mark.asyncio
async def test_it_ends_in_time(daphne: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that takes too long, or a server that is not there, is said with what came before."""
    monkeypatch.setattr(on_the_wire, "SECONDS", 0.5)
    trace, failure = await record(daphne, ECHO, '{"message": 1, "delay": 1}')
    assert failure == "Nothing more came within 0.5 s."
    assert [event.kind for event in trace.events] == ["handshake", "handshake", "text"]
    _, failure = await on_the_wire.record(ECHO, ("127.0.0.1", free_port()), "/", "localhost", {})
    assert failure.startswith("The server cannot be reached from itself: ")
