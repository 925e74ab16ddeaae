"""The page in a browser, through nginx: TLS and a prefix, as docs/deploying.md has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from consumers.catalogue import exhibits
from sandbox.processes.servers import serve
from tests.site.conftest import SECONDS
from tests.support.browser import BrowserErrors
from tests.support.deployment import HOST, nginx, server, settings


@pytest.fixture
def proxied(
    tmp_path: Path,
    environment: dict[str, str],
    browser: Browser,
    browser_errors: BrowserErrors,
) -> Iterator[Page]:
    """A tab on the site behind nginx, with the name that the documentation gives it."""
    deployed = settings(tmp_path / "none", DATABASE_URL=environment["DATABASE_URL"])
    with (
        server("daphne", deployed) as running,
        nginx(tmp_path, (running.port, running.port)) as front,
        browser.new_context(
            base_url=f"https://{HOST}:{front.port}/app/", ignore_https_errors=True
        ) as context,
        browser_errors.watch(context),
    ):
        context.set_default_timeout(SECONDS * 1000)
        yield context.new_page()
        context.close()
    assert browser_errors.unexpected() == []


def test_the_site_works_through_tls_and_a_prefix(proxied: Page) -> None:
    """The page is styled, sockets are secure and have the prefix, rooms and signing in work."""
    sockets: list[str] = []

    def opened(socket: WebSocket) -> None:
        sockets.append(socket.url)

    proxied.on("websocket", opened)
    proxied.goto("./")
    site = proxied.url.replace("https", "wss")
    proxied.get_by_role("button", name="Send to all").click()
    expect(proxied.get_by_role("status")).to_contain_text("identical")
    styled = proxied.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert styled == "rgb(251, 250, 247)"
    assert sorted(sockets) == sorted(
        site + exhibit.url[1:] for exhibit in exhibits("echo") if exhibit.protocol == "websocket"
    )

    proxied.get_by_role("link", name="Rooms").click()
    proxied.get_by_role("checkbox").last.check()
    for state in proxied.locator(".members .state").all():
        expect(state).to_have_text("open")
    expect(proxied.locator("#presence .count")).to_have_text("5 of this page, 0 others")
    proxied.get_by_role("button", name="Send", exact=True).click()
    for messages in proxied.locator("[data-url] ol").all():
        expect(messages).to_have_text('{"message":"hi"}')

    proxied.goto("./exhibits/echo/json-websocket/")
    proxied.get_by_role("button", name="Connect and show").click()
    expect(proxied.locator(".frames")).to_contain_text("GET /app/echo/json-websocket/")
    expect(proxied.locator(".frames")).to_contain_text("101 Switching Protocols")

    for name, url in (("authentication", site.replace("wss", "https")), ("contract", site)):
        proxied.goto(f"{site.replace('wss', 'https')}docs/{name}/")
        expect(proxied.locator("pre", has_text=f"{url}echo/").first).to_be_visible()

    proxied.get_by_role("link", name="Scope").first.click()
    proxied.get_by_role("link", name="Sign in").click()
    sign_in(proxied)
    expect(proxied.locator("main")).to_contain_text("You are signed in as ada")
    for scope in proxied.locator("pre.code").all():
        expect(scope).to_contain_text('"name": "ada"')
    assert {
        (cookie["name"], cookie["path"], cookie["secure"]) for cookie in proxied.context.cookies()
    } == {("sessionid", "/app", True), ("csrftoken", "/app", True)}
    proxied.get_by_role("button", name="Sign out").click()
    expect(proxied.get_by_role("link", name="Sign in")).to_be_visible()


def test_signing_in_works_on_this_machine_without_tls(
    environment: dict[str, str], browser: Browser
) -> None:
    """Without DEBUG, plain HTTP on this machine is not redirected, and keeps secure cookies."""
    deployed = {**environment, "DEBUG": "false", "SECRET_KEY": "x" * 50}
    with serve("daphne", environment=deployed) as plain, browser.new_page() as page:
        page.goto(f"{plain.url}/login/")
        sign_in(page)
        expect(page.locator("main")).to_contain_text("You are signed in as ada")
        assert page.url == f"{plain.url}/scope/"


def sign_in(page: Page) -> None:
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("enigma")
    page.get_by_role("button", name="Sign in").click()
