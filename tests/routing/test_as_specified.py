"""Requests that a server passes on in another way than the ASGI specification has it."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.frames import Opcode

from routing.servers import as_specified
from sandbox.processes import servers
from sandbox.processes.servers import Server, installed, serve
from sandbox.wire import ClosedError, RefusedError, http, websocket
from sandbox.wire.raw_http import read_all, responses_in
from sandbox.wire.stream import open_stream
from tests.support.devices import eventually

PATH = "/echo/async-http/"
BEHIND = b"GET /echo/async-http/?message=behind HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
OFFER = (
    f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(BEHIND)}\r\n"
    "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
).encode()


def specified(**scope: Any) -> Any:
    """Return the scope that the application gets."""
    seen: list[Any] = []

    async def application(scope: Any, *_: Any) -> None:
        seen.append(scope)

    whole = {"type": "http", "path": "/", "headers": [], **scope}
    asyncio.run(as_specified(application)(whole, None, None))
    return seen[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("192.0.2.1", "8000"), ["192.0.2.1", 8000]),
        (("192.0.2.1", 8000), ["192.0.2.1", 8000]),
        (("/run/socket", None), ["/run/socket", None]),
        (None, None),
    ],
)
def test_a_port_is_a_number(given: Any, expected: Any) -> None:
    """A port is a number or None, also where the server passes on a string."""
    scope = specified(client=given, server=given)

    assert scope["client"] == scope["server"] == expected


def test_cookies_are_joined() -> None:
    """Cookies in several fields, as HTTP/2 has them, become one field; others stay."""
    headers = [(b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2")]

    assert specified(headers=headers)["headers"] == [(b"accept", b"*/*"), (b"cookie", b"a=1; b=2")]
    assert specified(headers=headers[:2])["headers"] == headers[:2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://127.0.0.1/echo/", "/echo/"),
        ("https://evil.example/echo/", "/echo/"),
        ("http://127.0.0.1", "/"),
        ("http://127.0.0.1/echo/a?b", "/echo/a?b"),
        ("http://[", "/"),
        ("HTTP://127.0.0.1/echo/", "/echo/"),
        ("/http://127.0.0.1/", "/http://127.0.0.1/"),
        ("//echo/", "//echo/"),
    ],
)
def test_a_whole_url_is_a_path(given: str, expected: str) -> None:
    """The path is that of the URL where the request line has a whole one."""
    assert specified(path=given)["path"] == expected


def test_no_client_of_daphne_writes_a_line_of_the_log(daphne: Server) -> None:
    """A line end in the header Daphne-Root-Path is in no path; other prefixes are passed on."""

    async def ask() -> None:
        for prefix in ("/a%0A192.0.2.1:1%20/forged/%20connect", "/of-a-proxy"):
            headers = [("Daphne-Root-Path", prefix)]
            response = await http("GET", f"{daphne.url}{PATH}?message=1", headers=headers)
            assert response.status == 200
        await eventually(lambda: f"/of-a-proxy{PATH} disconnect" in daphne.log())

    asyncio.run(ask())
    assert "/forged/" not in daphne.log()


def test_a_channel_has_no_client() -> None:
    """What is no connection is passed on untouched."""
    assert specified(type="channel", path=None)["path"] is None


@pytest.fixture(scope="module", params=["httptools", "h11"])
def uvicorn(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Uvicorn with each of its parsers."""
    if "uvicorn" not in installed():
        pytest.skip("Uvicorn is not installed.")
    arguments = servers.ARGUMENTS["uvicorn"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(servers.ARGUMENTS, "uvicorn", [*arguments, "--http", request.param])
        with serve("uvicorn") as running:
            yield running


def test_a_body_is_never_run_as_a_request(uvicorn: Server) -> None:
    """What follows an offer to upgrade in a segment of its own is a body, or is not read at all."""

    async def answers() -> list[int]:
        async with open_stream(uvicorn.url, None) as stream:
            await stream.write(OFFER)
            await asyncio.sleep(0.3)  # so that the server reads it by itself
            await stream.write(BEHIND)
            received, _ = await read_all(stream, 2.0)
        return [status for status, _ in responses_in(received)]

    assert asyncio.run(answers()) == [400]  # refused, or with h11 a body that is no JSON


def test_only_the_slower_parser_reads_the_body(uvicorn: Server) -> None:
    """With h11 Uvicorn answers a request that offers an upgrade, with httptools it is refused."""
    body = b'{"message":"hi"}'
    headers = [("Connection", "Upgrade"), ("Upgrade", "h2c")]

    response = asyncio.run(http("POST", uvicorn.url + PATH, headers=headers, body=body))

    assert (response.status, response.body) in (
        (200, body),
        (400, b"Refused: this server loses the body of a request with Upgrade.\n"),
    )
    assert (response.status == 200) == ("h11" in str(uvicorn.process.args))


def test_what_uvicorn_logs_is_documented(uvicorn: Server) -> None:
    """A refused handshake leaves an error in Uvicorn's log, and a bad text a traceback."""

    async def ask() -> None:
        with pytest.raises(RefusedError):
            async with websocket(f"{uvicorn.url}/no/such/path/"):
                pass
        async with websocket(f"{uvicorn.url}/echo/websocket/") as connection:
            await connection.send_frame(Opcode.TEXT, b"\xff")
            with pytest.raises(ClosedError):
                await connection.receive()

    asyncio.run(ask())
    deadline = time.monotonic() + 10
    while "Traceback" not in uvicorn.log() and time.monotonic() < deadline:
        time.sleep(0.05)

    assert "ASGI callable returned without completing handshake." in uvicorn.log()
    assert "UnicodeDecodeError" in uvicorn.log()


@pytest.mark.parametrize("name", ["hypercorn", "granian"])
def test_http_2_is_as_specified(name: str) -> None:
    """Over HTTP/2 a consumer knows each of two cookies, and ports as numbers."""
    if name not in installed():
        pytest.skip(f"{name} is not installed.")
    http_2 = pytest.importorskip("h2.connection", reason="Hypercorn brings h2.")
    client = http_2.H2Connection()
    client.initiate_connection()
    request = {":method": "GET", ":path": "/scope/async-http/", ":scheme": "http"}
    cookies = [("cookie", "a=1"), ("cookie", "b=2")]
    headers = [*request.items(), (":authority", "127.0.0.1"), *cookies]
    client.send_headers(1, headers, end_stream=True)
    body = b""
    with serve(name) as server, socket.create_connection(("127.0.0.1", server.port), 20) as stream:
        stream.sendall(client.data_to_send())
        while not body.endswith(b"}}"):
            received = stream.recv(65_536)
            assert received
            for event in client.receive_data(received):
                body += getattr(event, "data", None) or b""
            stream.sendall(client.data_to_send())
        seen = json.loads(body)

        assert list(seen["cookies"]) == ["a", "b"]
        assert [type(seen[end][1]) for end in ("client", "server")] == [int, int]
