"""What a browser does with a cookie, a token and an Origin at a handshake."""

from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import BrowserContext, Page

from sandbox.processes.servers import Server, serve
from tests.support.browser import BrowserErrors

OPEN = """([url, protocols]) => new Promise((resolve) => {
    const socket = new WebSocket(url, protocols);
    socket.onopen = () => socket.send("who?");
    socket.onmessage = ({ data }) => resolve(data);
    socket.onerror = () => resolve("failed");
})"""
FILE = "/static/site/style.css"


@pytest.fixture(scope="module")
def unchecked(environment: dict[str, str]) -> Iterator[Server]:
    """A server whose consumers answer with the user's name, to pages of any origin."""
    with serve(
        environment=environment, application="tests.support.signed_in:application"
    ) as server:
        yield server


@pytest.fixture
def name(context: BrowserContext, unchecked: Server) -> str:
    """A new user, whose session the browser has."""
    with urlopen(f"{unchecked.url}/users/?action=create&name=grace") as response:  # noqa: S310 # ours
        key = response.read().decode()
    place: Any = {"domain": "localhost", "path": "/", "sameSite": "Lax"}
    context.add_cookies([place | {"name": "sessionid", "value": key}])
    return "grace"


@pytest.fixture(autouse=True)
def _expected(browser_errors: BrowserErrors) -> None:
    """A page of evil.example is refused but has an origin, and a style sheet has no icon."""
    browser_errors.expect("status of 400", "favicon.ico")


def ask(page: Page, host: str, port: int, url: str, protocols: tuple[str, ...] = ()) -> str:
    """Open a WebSocket from a page of that host and port; return the first message, or "failed"."""
    page.goto(f"http://{host}:{port}{FILE}")
    assert page.evaluate("origin") == f"http://{host}:{port}"
    answer: str = page.evaluate(OPEN, [url, list(protocols)])
    return answer


def test_the_cookie_goes_along_from_pages_of_this_host(
    page: Page, site: Server, unchecked: Server, name: str
) -> None:
    """A page of this host, on any port, opens a socket as its user; another site's does not."""
    url = f"ws://localhost:{unchecked.port}/async/"

    assert ask(page, "localhost", unchecked.port, url) == name
    assert ask(page, "localhost", site.port, url) == name
    assert ask(page, "evil.example", site.port, url) == "a visitor"


def test_the_check_of_the_origin_is_by_host(
    page: Page, site: Server, unchecked: Server, browser_errors: BrowserErrors
) -> None:
    """With the check, a page of this host on any port gets in, and one of another site does not."""
    browser_errors.expect("403")
    url = f"ws://localhost:{site.port}/mirror/websocket/"

    assert ask(page, "localhost", site.port, url) == "who?"
    assert ask(page, "localhost", unchecked.port, url) == "who?"
    assert ask(page, "evil.example", site.port, url) == "failed"


def test_a_browser_wants_one_of_its_subprotocols(
    page: Page, unchecked: Server, browser_errors: BrowserErrors
) -> None:
    """A browser that offered subprotocols fails a connection for which the server chose none."""
    browser_errors.expect("Sec-WebSocket-Protocol")
    url = f"ws://localhost:{unchecked.port}/async/"
    protocols = ("chat", "1.1wPbA2.Hmm-_x")

    assert ask(page, "localhost", unchecked.port, url, protocols) == "failed"
