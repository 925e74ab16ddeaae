"""What the site answers to addresses that are nearly right, or that no client should ask for."""

import asyncio

import pytest

from consumers.catalogue import CATALOGUE
from sandbox.processes.servers import Server, installed, serve
from sandbox.wire import Response, http

NO_FILES = [
    "..%2fsettings.py",
    "..%2f..%2f..%2fmanage.py",
    "..%5csettings.py",
    "%2e%2e/settings.py",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "%00",
    "site/style.css%00",
    "site/style.css/x",
    "site",
    "",
    "%ff",
    "x" * 300,
]


@pytest.mark.parametrize("name", installed())
def test_what_is_no_static_file_is_not_found(name: str) -> None:
    """On every server a path out of the static files is a 404, and the log has no traceback."""
    with serve(name) as server:

        async def ask(path: str) -> Response:
            return await http("GET", f"{server.url}/static/{path}")

        for path in NO_FILES:
            assert (asyncio.run(ask(path)).status, path) == (404, path)
        assert asyncio.run(ask("site/style.css")).status == 200
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.asyncio
async def test_a_path_without_its_slash_names_the_one_with_it(daphne: Server, method: str) -> None:
    """Any method is redirected, as it is, to the page or exhibit that was meant, query included."""
    paths = ["/race/", *(exhibit.url for exhibit in CATALOGUE)]
    for path in paths:
        url = f"{daphne.url}{path.removesuffix('/')}?a=b"
        response = await http(method, url, body=b"" if method in ("GET", "HEAD") else b"{}")
        assert (response.status, response.header("location")) == (308, f"{path}?a=b")
        if method != "HEAD":
            assert response.body.decode() == f"The address ends in a slash: {path}?a=b\n"


@pytest.mark.asyncio
async def test_no_redirect_leaves_the_site(daphne: Server) -> None:
    """A path that begins with two slashes is no other host."""
    response = await http("GET", f"{daphne.url}//evil.example/race")
    assert response.status == 404


@pytest.mark.parametrize("room", [".", "..", "%2e%2e"])
@pytest.mark.asyncio
async def test_dots_alone_are_no_room(daphne: Server, room: str) -> None:
    """A browser cannot ask for a room with such a name, so there is none."""
    for path in (f"/rooms/{room}/async-http/", f"/history/{room}/async-http/"):
        assert (await http("POST", daphne.url + path, body=b'{"message":1}')).status == 404
    assert (await http("GET", f"{daphne.url}/rooms/?room={room}")).status == 404
