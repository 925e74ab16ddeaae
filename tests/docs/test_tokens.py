"""docs/authentication.md: what servers print, and the example of a token."""

import asyncio
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from channels.security.websocket import AllowedHostsOriginValidator
from channels.testing import WebsocketCommunicator

from sandbox.processes.servers import ROOT, Server, free_port, listening
from sandbox.wire import RefusedError, http, websocket
from tests.support.recipe import Recipe, follow

PAGE = (ROOT / "docs" / "authentication.md").read_text()
LOGS = dict(
    re.findall(r"^\| `(\w+.*?)` \| (.*) \|$", PAGE.split("<!-- /logs -->")[0], re.MULTILINE)
)
"""The cells of the table, by the command of the server."""
ADDRESS = {
    "daphne": ["-b", "127.0.0.1", "-p"],
    "uvicorn": ["--port"],
    "hypercorn": ["--bind"],
    "granian": ["--interface", "asgi", "--port"],
}
SECONDS = 30


@pytest.mark.parametrize("command", [one for one in LOGS if find_spec(one.split()[0])])
@pytest.mark.asyncio
async def test_servers_print_what_the_table_says(command: str) -> None:
    """With its access log on, a server prints those secrets that the table names."""
    name, *options = command.split()
    port = free_port()
    address = [*ADDRESS[name], f"127.0.0.1:{port}" if name == "hypercorn" else str(port)]
    arguments = [sys.executable, "-m", name, *address, *options, "sandbox.asgi:application"]
    request = f"HEAD / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    with listening(name, arguments, port, request) as server:
        headers = [("Cookie", "t=in-a-cookie"), ("Authorization", "Bearer in-a-header")]
        async with websocket(
            f"{server.url}/mirror/websocket/?t=in-the-websocket-query",
            headers=headers,
            subprotocols=["chat", "in-a-subprotocol"],
        ) as socket:
            await socket.send("in-a-message")
            assert await socket.receive(SECONDS) == "in-a-message"
        await http("GET", f"{server.url}/scope/async-http/?t=in-the-http-query", headers=headers)
        await http("GET", f"{server.url}/scope/async-http/?last")
        async with asyncio.timeout(SECONDS):  # a log may be written late
            while server.log().count("GET /scope/async-http/") < 2:
                await asyncio.sleep(0.05)

        http_query, websocket_query, others = LOGS[command].split(" | ")
        log = server.log()
        assert ("in-the-http-query" in log) is (http_query == "printed")
        assert ("in-the-websocket-query" in log) is (websocket_query == "printed")
        assert ("in-a-" in log) is (others == "printed")


@pytest.mark.asyncio
async def test_what_the_validator_of_channels_does() -> None:
    """It refuses a client without an Origin, and raises at one that is malformed."""

    async def accept(_scope: object, _receive: object, _send: object) -> None:
        raise AssertionError

    application = AllowedHostsOriginValidator(accept)
    missing = WebsocketCommunicator(application, "/")
    accepted, _ = await missing.connect(SECONDS)
    await missing.disconnect(timeout=SECONDS)
    assert not accepted
    malformed = WebsocketCommunicator(application, "/", headers=[(b"origin", b"http://[")])
    with pytest.raises(ValueError, match="Invalid IPv6 URL"):
        await malformed.connect(2)  # a communicator raises at the end of this time


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    recipe = follow("authentication.md", tmp_path_factory.mktemp("authentication"))
    assert recipe.run("manage.py", "migrate", "--verbosity=0").returncode == 0
    return recipe


@pytest.fixture(scope="module")
def server(recipe: Recipe) -> Iterator[Server]:
    with recipe.serving() as server:
        yield server


MAKE = """
import time
from unittest.mock import patch
from django.test import Client
from django.contrib.auth.models import User
from mysite.tokens import signer
ada = User.objects.create(username="ada")
gone = User.objects.create(username="grace", is_active=False)
client = Client()
client.force_login(ada)
print(client.cookies["sessionid"].value)
with patch("time.time", return_value=time.time() - 61):
    print(signer.sign(ada.pk))
print(signer.sign(gone.pk))
"""


@pytest.mark.asyncio
async def test_a_token_opens_a_socket_for_a_minute(recipe: Recipe, server: Server) -> None:
    """A token connects as its user; one that is forged, old or of an inactive user is refused."""
    made = recipe.run("manage.py", "shell", "-v", "0", "-c", MAKE)
    session, old, gone = made.stdout.split()
    cookie = [("Cookie", f"sessionid={session}")]
    token = (await http("GET", f"{server.url}/token/", headers=cookie)).body.decode()
    url = f"{server.url}/chat/"
    async with websocket(url, subprotocols=["chat", token]) as socket:
        assert socket.subprotocol == "chat"
        assert await socket.receive(SECONDS) == "ada"
    async with websocket(url, headers=[("Authorization", f"Bearer {token}")]) as socket:
        assert socket.subprotocol is None
        assert await socket.receive(SECONDS) == "ada"
    for refused in ("2" + token, old, gone, "none"):
        with pytest.raises(RefusedError) as refusal:
            async with websocket(url, subprotocols=["chat", refused]):
                pass
        assert refusal.value.status == 403
    with pytest.raises(RefusedError):
        async with websocket(url):
            pass
