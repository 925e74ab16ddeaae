"""What a consumer shows of its connection, and what it masks."""

import json
from secrets import token_hex
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.testing import HttpCommunicator, WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from consumers.contract import encode
from consumers.scope.description import describe
from sandbox.asgi import application

SECRETS = [
    (b"authorization", b"Basic c2VjcmV0"),
    (b"proxy-authorization", b"Basic c2VjcmV0"),
    (b"x-api-key", b"c2VjcmV0"),
    (b"x-csrftoken", b"c2VjcmV0"),
    (b"cookie", b"csrftoken=c2VjcmV0; theme=c2VjcmV0"),
]


async def over_websocket(path: str, headers: list[tuple[bytes, bytes]]) -> Any:
    communicator = WebsocketCommunicator(application, path, headers=headers, subprotocols=["a"])
    await communicator.connect()
    text = await communicator.receive_from()
    await communicator.disconnect()
    return json.loads(text)


async def over_http(path: str, headers: list[tuple[bytes, bytes]]) -> Any:
    communicator = HttpCommunicator(application, "GET", path, headers=headers)
    response = await communicator.get_response()
    assert response["status"] == 200
    return json.loads(response["body"])


DOORS = [
    pytest.param(over_websocket, "/scope/websocket/", id="scope/websocket"),
    pytest.param(over_http, "/scope/async-http/", id="scope/async-http"),
]


@pytest.mark.parametrize(("ask", "path"), DOORS)
def test_it_says_what_a_consumer_knows(ask: Any, path: str) -> None:
    """Path, query, headers, user and route are shown as they came."""
    scope = async_to_sync(ask)(f"{path}?message=h%C3%A9&a=&a=2", [(b"x-name", b"h\xc3\xa9")])
    assert scope["path"] == path
    assert scope["query"] == [["message", "hé"], ["a", ""], ["a", "2"]]
    assert ["x-name", "hé"] in scope["headers"]
    assert scope["user"] == {"name": "", "is_authenticated": False}
    assert scope["session"] == {"key": None, "holds": []}
    assert scope["url_route"] == {"args": [], "kwargs": {}}


@pytest.mark.parametrize(("ask", "path"), DOORS)
def test_secrets_are_masked(ask: Any, path: str) -> None:
    """Cookies, authorization and tokens are named, and their values masked."""
    scope = async_to_sync(ask)(f"{path}?token=c2VjcmV0", SECRETS)
    assert "c2VjcmV0" not in json.dumps(scope)
    assert scope["cookies"] == {"csrftoken": "***", "theme": "***"}
    assert scope["query"] == [["token", "***"]]
    assert {name for name, _ in SECRETS} <= {name.encode() for name, _ in scope["headers"]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("ask", "path"), DOORS)
def test_the_signed_in_user_is_named(ask: Any, path: str) -> None:
    """The site's session reaches every type: the user's name is there, the session's key is not."""
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    cookie = client.cookies["sessionid"].value
    scope = async_to_sync(ask)(path, [(b"cookie", f"sessionid={cookie}".encode())])
    assert scope["user"] == {"name": "ada", "is_authenticated": True}
    assert scope["session"]["key"] == "***"
    assert "_auth_user_id" in scope["session"]["holds"]
    assert cookie not in json.dumps(scope)


ANY_TEXT = st.text(st.characters(exclude_categories=[]))  # lone surrogates too


@given(st.lists(st.tuples(st.binary(), st.binary())), st.binary(), ANY_TEXT, st.lists(ANY_TEXT))
def test_any_scope_can_be_described(
    headers: list[tuple[bytes, bytes]], query: bytes, path: str, subprotocols: list[str]
) -> None:
    """Whatever bytes a client sends, the description is JSON, secrets masked."""
    secret = token_hex(16)  # Hypothesis would guess one that is written here
    scope = {
        "type": "websocket",
        "path": path,
        "headers": [*headers, (b"authorization", secret.encode())],
        "query_string": query,
        "subprotocols": subprotocols,
        "client": None,
    }
    shown = encode(describe(scope))
    assert json.loads(shown)["type"] == "websocket"
    assert secret not in shown
