"""A site below a prefix: what the application is given as path and root_path."""

import asyncio
from typing import Any

import pytest

from routing.prefix import under_prefix
from tests.support.asgi import Connection


def scope_seen(prefix: str, scope: dict[str, Any]) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    asyncio.run(under_prefix(application, prefix)(scope, None, None))
    return seen[0]


@pytest.mark.parametrize(
    ("prefix", "root_path", "path", "seen"),
    [
        pytest.param("/app", "", "/app/echo/", "/app/echo/", id="kept"),
        pytest.param("/app", "", "/echo/", "/app/echo/", id="stripped"),
        pytest.param("/app", "", "/app", "/app/", id="without-slash"),
        pytest.param("/app", "", "/application/", "/app/application/", id="look-alike"),
        pytest.param("/app", "", "/", "/app/", id="root"),
        pytest.param("/a/b", "", "/a/b/echo/", "/a/b/echo/", id="two-parts"),
        pytest.param("/app", "/other", "/app/echo/", "/app/echo/", id="setting-wins"),
        pytest.param("", "/app", "/app/echo/", "/app/echo/", id="servers-own-kept"),
        pytest.param("", "/app", "/echo/", "/app/echo/", id="servers-own-stripped"),
        pytest.param("", "/app", "/app/app/echo/", "/app/echo/", id="uvicorn-kept"),
        pytest.param("", "/app/", "/app/echo/", "/app/echo/", id="servers-own-with-slash"),
        pytest.param("", "//evil.example", "/x", "/evil.example/x", id="no-host"),
    ],
)
def test_the_path_begins_with_the_prefix_once(
    prefix: str, root_path: str, path: str, seen: str
) -> None:
    """Whatever proxy and server have made of the path, the application sees the prefix once."""
    scope = scope_seen(prefix, {"type": "http", "path": path, "root_path": root_path})

    assert scope["path"] == seen
    assert seen.startswith(scope["root_path"] + "/")


@pytest.mark.parametrize(
    "scope",
    [
        {"type": "websocket", "path": "/echo/", "root_path": ""},
        {"type": "http", "path": "//echo/"},
        {"type": "http", "path": "/echo/", "root_path": "/"},
    ],
)
def test_without_a_prefix_the_path_is_the_servers(scope: dict[str, Any]) -> None:
    """Without a prefix nothing is changed but a root_path that is only a slash."""
    assert scope_seen("", scope)["path"] == scope["path"]


@pytest.mark.parametrize("prefix", ["", "/app"])
def test_a_channel_has_no_path(prefix: str) -> None:
    """What is no connection, such as a message to a worker, passes as it is."""
    scope = {"type": "channel", "channel": "echo"}

    assert scope_seen(prefix, scope) == scope


@pytest.mark.parametrize("root_path", ["/app", "/app/", "/elsewhere"])
@pytest.mark.asyncio
async def test_a_path_outside_the_prefix_is_not_found(root_path: str) -> None:
    """With any root_path of a server, an unknown path is a refusal and no exception."""
    connection = Connection({"type": "websocket", "path": "/nowhere/", "root_path": root_path})
    await connection.end({"type": "websocket.connect"})

    assert (await connection.event())["type"] == "websocket.close"
    connection.task.result()
