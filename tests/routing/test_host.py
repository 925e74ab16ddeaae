"""The names by which a client may call this site."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from routing.host import HostValidator
from routing.origin import BrowserOriginValidator
from sandbox.processes.servers import Server, installed, serve
from sandbox.wire import RefusedError, http, websocket


def passes(validator: Any, *headers: tuple[bytes, bytes]) -> bool:
    """Whether an application behind a validator is reached."""
    reached = []

    async def application(*_: Any) -> None:
        reached.append(True)

    async def send(_: Any) -> None:
        pass

    scope = {"type": "http", "path": "/", "headers": headers}
    asyncio.run(validator(application)(scope, None, send))
    return bool(reached)


HOSTS: Any = [
    (b"localhost", True),
    (b"localhost:8000", True),
    (b"LOCALHOST", True),
    (b"localhost.", True),
    (b"localhost.:8000", True),
    (b"127.0.0.1:1", True),
    (b"[::1]", True),
    (b"[::1]:8000", True),
    (b"::1", False),
    (b"[::2]", False),
    (b".", False),
    (b"localhost..", False),
    (b"localhost:", False),
    (b"localhost:port", False),
    (b"evil.example", False),
    (b"localhost.evil.example", False),
    (b"evil@localhost", False),
    (b"localhost, localhost", False),
    (b"\xff", False),
]


@pytest.mark.parametrize(
    ("host", "allowed"), [*HOSTS, (b"localhost/", False), (b"localhost\n", False)]
)
def test_a_host_has_to_be_allowed(host: bytes, *, allowed: bool) -> None:
    """A Host is allowed as Django allows it: any port, any case, a dot at its end or not."""
    assert passes(HostValidator, (b"host", host)) is allowed


@pytest.mark.parametrize(("host", "allowed"), [*HOSTS, (b"", False)])
def test_a_page_may_connect_where_it_may_be_loaded(host: bytes, *, allowed: bool) -> None:
    """The host of an Origin is allowed exactly if it is allowed as a Host."""
    assert passes(BrowserOriginValidator, (b"origin", b"http://" + host)) is allowed


def test_two_hosts_are_refused_and_none_is_not() -> None:
    """Of two Hosts it is not clear which one counts; a client without one is no browser."""
    own = (b"host", b"localhost")
    assert not passes(HostValidator, own, own)
    assert not passes(HostValidator, own, (b"host", b"evil.example"))
    assert passes(HostValidator)
    assert passes(HostValidator, (b"host", b""))


def test_hosts_are_those_of_the_setting(settings: Any) -> None:
    """ALLOWED_HOSTS decides, also with subdomains and with ``*``, and while empty as in Django."""
    for allowed, host, expected in [
        ([".site.example"], b"www.site.example", True),
        ([".site.example"], b"localhost", False),
        (["*"], b"evil.example", True),
        (["*"], b"evil example", False),
        ([], b"sub.localhost", settings.DEBUG),
    ]:
        settings.ALLOWED_HOSTS = allowed
        assert passes(HostValidator, (b"host", host)) is expected, (allowed, host)


def answer(server: Server, request: bytes) -> bytes:
    """Send bytes; return the status line that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request)
        return connection.recv(65_536).partition(b"\r\n")[0]


@pytest.mark.parametrize("name", installed())
def test_a_rebound_name_reaches_no_consumer(name: str, tmp_path: Path) -> None:
    """On a server in production a foreign Host gets 400, and the log has one line that says why."""
    environment = {
        "DEBUG": "false",
        "SECRET_KEY": "x" * 50,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
    }
    room = "/rooms/lobby/async-http/"
    with serve(name, environment=environment) as server:

        async def ask() -> None:
            evil = ("Host", "evil.example")
            refused = await http("POST", server.url + room, headers=[evil], body=b'{"message":1}')
            assert refused.status == 400
            assert b"the Host 'evil.example' is not in ALLOWED_HOSTS" in refused.body
            stream = [evil, ("Accept", "text/event-stream")]
            assert (await http("GET", server.url + room, headers=stream)).status == 400
            assert (await http("HEAD", server.url + room, headers=stream)).body == b""
            for headers, origin in ([evil], None), ([], "http://evil.example"):
                with pytest.raises(RefusedError):
                    async with websocket(
                        f"{server.url}/rooms/lobby/websocket/", headers=headers, origin=origin
                    ):
                        pass
            with pytest.raises(RefusedError):
                async with websocket(f"{server.url}/echo/websocket%0aforged"):
                    pass

        asyncio.run(ask())
        own = f"Host: 127.0.0.1:{server.port}\r\n".encode()
        end = b"Connection: close\r\n\r\n"
        target = b"GET /echo/async-http/?message=1 HTTP/1."
        assert b" 200" in answer(server, target + b"1\r\n" + own + end)
        assert b" 400" in answer(server, target + b"1\r\n" + own + own + end)
        assert b" 400" in answer(server, target + b"1\r\nHost: [::\r\n" + end)
        assert b" 200" in answer(server, target + b"0\r\n\r\n")
        lines = [line for line in server.log().splitlines() if " refused " in line]
    reasons = [line.partition(" refused ")[2] for line in lines]
    assert reasons[:6] == [
        *["400: the Host 'evil.example' is not in ALLOWED_HOSTS"] * 4,
        "403: the host of the Origin 'http://evil.example' is not in ALLOWED_HOSTS",
        "404: no WebSocket has that path, without a slash at its end",
    ]
    assert r" '/echo/websocket\nforged' refused" in lines[5]
