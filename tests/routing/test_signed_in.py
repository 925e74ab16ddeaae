"""An open connection ends with its user's session, whatever ended that."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from routing.session import with_session
from routing.signed_in import _read_user, while_signed_in
from sandbox.processes.migration import migrate
from sandbox.processes.servers import Server, installed, serve
from sandbox.wire import ClosedError, event_stream, http, websocket
from tests.support.postgresql import new_cluster
from tests.support.signed_in import EVERY

APPLICATION = "tests.support.signed_in:application"
SECONDS = 30
"""What a busy machine may take."""
names = (f"user{number}" for number in count())
each_type = pytest.mark.parametrize("path", ["/sync/", "/async/"])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    url = f"sqlite:///{tmp_path_factory.mktemp('signed_in') / 'db.sqlite3'}"
    migrate(url)
    return {"DATABASE_URL": url}


@pytest.fixture(scope="module")
def server(database: dict[str, str]) -> Iterator[Server]:
    with serve(environment=database, application=APPLICATION) as server:
        yield server


async def change(server: Server, action: str, name: str) -> str:
    url = f"{server.url}/users/?{urlencode({'action': action, 'name': name})}"
    response = await http("GET", url, timeout=SECONDS)
    assert response.status == 200
    return response.body.decode()


class Visitor:
    """A new user who is signed in at a server."""

    def __init__(self, server: Server, name: str, session: str) -> None:
        self.server = server
        self.name = name
        self.session = session

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [("Cookie", f"sessionid={self.session}")]

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[Any]:
        url = self.server.url + path
        async with websocket(url, headers=self.headers, timeout=SECONDS) as socket:
            yield socket

    async def suffer(self, action: str) -> None:
        if action != "sign out":
            await change(self.server, action, self.name)
            return
        token = "a" * 32
        headers = [
            ("Cookie", f"sessionid={self.session}; csrftoken={token}"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ]
        body = urlencode({"csrfmiddlewaretoken": token}).encode()
        url = f"{self.server.url}/logout/"
        assert (await http("POST", url, headers=headers, body=body)).status == 302


async def sign_in(server: Server) -> Visitor:
    name = next(names)
    return Visitor(server, name, await change(server, "create", name))


async def close_code(socket: Any) -> int:
    with pytest.raises(ClosedError) as closed:
        await socket.receive(SECONDS)
    return closed.value.code


async def log_has(server: Server, words: str) -> None:
    async with asyncio.timeout(SECONDS):
        while words not in server.log():
            await asyncio.sleep(0.05)


@each_type
@pytest.mark.parametrize(
    "action", ["sign out", "change password", "deactivate", "delete", "expire"]
)
@pytest.mark.asyncio
async def test_a_socket_closes_when_its_session_ends(
    server: Server, path: str, action: str
) -> None:
    """A socket is closed with 4401 when its user signs out, changes the password or is gone."""
    visitor = await sign_in(server)
    async with visitor.socket(path) as socket:
        await socket.send("hi")
        assert await socket.receive(SECONDS) == visitor.name
        await visitor.suffer(action)

        assert await close_code(socket) == 4401
        await log_has(server, f"{socket.local_address} {path} disconnect 4401")


@pytest.mark.asyncio
async def test_an_event_stream_ends_with_its_session(server: Server) -> None:
    """An event stream ends, and its consumer's disconnect runs."""
    visitor = await sign_in(server)
    async with event_stream(f"{server.url}/stream/", headers=visitor.headers) as stream:
        await visitor.suffer("sign out")

        with pytest.raises(ClosedError):
            await stream.receive(SECONDS)
    await log_has(server, "/stream/ disconnect")


@each_type
@pytest.mark.asyncio
async def test_a_busy_handler_does_not_keep_a_socket_open(server: Server, path: str) -> None:
    """The client's side is closed while the consumer is at work, and it sends nothing more."""
    visitor = await sign_in(server)
    async with visitor.socket(path) as socket:
        await socket.send("slow")
        await visitor.suffer("delete")

        assert await close_code(socket) == 4401
        assert f"{socket.local_address} {path} disconnect" not in server.log()
        await log_has(server, f"{socket.local_address} {path} disconnect 4401")


@pytest.mark.asyncio
async def test_the_user_in_the_scope_is_kept_up_to_date(server: Server) -> None:
    """A permission that a user gets while connected is in the scope after the next check."""
    visitor = await sign_in(server)
    async with visitor.socket("/sync/") as socket, asyncio.timeout(SECONDS):
        await visitor.suffer("promote")
        reply = ""
        while reply != f"{visitor.name}, staff":
            await socket.send("hi")
            reply = await socket.receive(SECONDS)


@pytest.mark.asyncio
async def test_other_connections_stay(server: Server) -> None:
    """Neither another user's socket nor that of a visitor who is not signed in is closed."""
    leaving, staying = await sign_in(server), await sign_in(server)
    async with (
        leaving.socket("/async/") as socket,
        staying.socket("/async/") as other,
        websocket(f"{server.url}/async/") as anonymous,
    ):
        await leaving.suffer("sign out")
        assert await close_code(socket) == 4401

        for open_socket, name in ((other, staying.name), (anonymous, "a visitor")):
            await open_socket.send("hi")
            assert await open_socket.receive(SECONDS) == name


@pytest.mark.parametrize("name", [name for name in installed() if name != "daphne"])
@pytest.mark.asyncio
async def test_it_is_the_same_on_every_server(name: str, database: dict[str, str]) -> None:
    """On each server a sync and an async socket close with 4401, and disconnect runs once."""
    with serve(name, environment=database, application=APPLICATION) as server:
        for path in ("/sync/", "/async/"):
            visitor = await sign_in(server)
            async with visitor.socket(path) as socket:
                await visitor.suffer("sign out")
                assert await close_code(socket) == 4401
            await log_has(server, f"{path} disconnect 4401")
        assert server.log().count("disconnect") == 2
        assert "Traceback" not in server.log()


@pytest.mark.timeout(300)
@pytest.mark.asyncio
async def test_connections_stay_while_the_database_is_away() -> None:
    """An outage of the database closes no socket, and afterwards signing out does."""
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(new_cluster())
        environment = {"DATABASE_URL": f"{cluster.url}?conn_max_age=0&connect_timeout=2"}
        with cluster.running():
            migrate(cluster.url)
            server = stack.enter_context(serve(environment=environment, application=APPLICATION))
            visitor = await sign_in(server)
            socket = await stack.enter_async_context(visitor.socket("/async/"))
            await socket.send("hi")
            assert await socket.receive(SECONDS) == visitor.name
        await log_has(server, "Sessions cannot be read, so connections stay")
        await asyncio.sleep(5 * EVERY)
        await socket.send("hi")
        assert await socket.receive(SECONDS) == visitor.name

        with cluster.running():
            await log_has(server, "Sessions can be read again")
            await visitor.suffer("sign out")
            assert await close_code(socket) == 4401
        assert server.log().count("Sessions cannot be read") == 1
        assert "Traceback" not in server.log()


@pytest.mark.django_db
def test_a_check_changes_no_session(settings: Settings) -> None:
    """A session of an older secret key, or of an older password, is read and left as it is."""
    client = Client()
    ada = User.objects.create(username="ada")
    client.force_login(ada)
    key = client.cookies["sessionid"].value
    stored = Session.objects.get(pk=key).session_data
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new one"  # noqa: S105 # of this test

    assert _read_user(key) == ada
    ada.set_password("enigma")
    ada.save()
    assert not _read_user(key).is_authenticated
    assert Session.objects.get(pk=key).session_data == stored


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_a_handshake_knows_the_sessions_of_an_older_secret_key(settings: Settings) -> None:
    """A user who signed in under one of SECRET_KEY_FALLBACKS is known, and stays signed in."""
    client = Client()
    ada = await User.objects.acreate(username="ada")
    await client.aforce_login(ada)
    key = client.cookies["sessionid"].value
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new one"  # noqa: S105 # of this test
    users = []

    async def consumer(scope: Any, _receive: Any, _send: Any) -> None:
        users.append(scope["user"] == ada)

    async def unused(*_: Any) -> None: ...

    scope = {"type": "websocket", "headers": [(b"cookie", f"sessionid={key}".encode())]}
    await with_session(consumer)(scope, unused, unused)

    assert users == [True]
    assert (await client.session.aget("_auth_user_id")) == str(ada.pk)


@pytest.mark.asyncio
async def test_without_a_session_it_says_what_it_needs() -> None:
    """In front of the session, where it could check nothing, it raises with a sentence."""

    async def unused() -> None: ...

    with pytest.raises(ValueError, match="behind AuthMiddlewareStack"):
        await while_signed_in(unused)({"type": "websocket"}, unused, unused)
