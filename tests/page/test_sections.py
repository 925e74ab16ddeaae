"""Race, Stall, Source, Rooms and Scope, used as a person would."""

import http.client
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from consumers.catalogue import exhibits
from sandbox.processes.servers import Server, free_port, serve

ROOMS = [exhibit.slug for exhibit in exhibits("rooms")]
RATE = re.compile(r"^[1-9][\d,]* /s$")


def row(page: Page, exhibit: str) -> Locator:
    return page.locator(f'[data-id="{exhibit}"]')


def test_a_race_shows_rates_until_stopped(page: Page) -> None:
    """Each exhibit chosen gets a rate and percentiles, until Stop or until it is left out."""
    page.goto("/race/")
    page.get_by_label("In flight").fill("2")
    page.get_by_label("Payload").fill("1000")
    page.get_by_role("checkbox", name="async-json-websocket").first.uncheck()
    expect(row(page, "echo/async-json-websocket")).to_be_hidden()
    page.get_by_role("button", name="Start").click()
    for exhibit in ("echo/websocket", "echo/json-websocket", "echo/async-http"):
        expect(row(page, exhibit).locator(".rate .figure")).to_have_text(RATE)
        expect(row(page, exhibit).locator(".p99 .figure")).to_have_text(re.compile(r"ms$"))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_have_text("Stopped.")
    expect(row(page, "echo/websocket").locator(".state")).to_have_text("not connected")
    expect(page.locator(".note")).to_contain_text("python manage.py bench")


def test_a_hidden_tab_stops_its_race(page: Page) -> None:
    """A tab that goes out of sight, as behind a closed lid, stops its race and says why."""
    page.goto("/race/")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("status")).to_have_text(re.compile("^Running with 5 of"))
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { value: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    expect(page.get_by_role("status")).to_have_text(re.compile("^Stopped, because this tab was"))


def test_a_race_survives_its_server(browser: Browser, environment: dict[str, str]) -> None:
    """A race says when its server is gone, and goes on when it is back."""
    port = free_port()
    with browser.new_context(base_url=f"http://127.0.0.1:{port}") as context:
        page = context.new_page()
        status = page.get_by_role("status")
        with serve("daphne", port=port, environment=environment):
            page.goto("/race/")
            page.get_by_label("In flight").fill("1")
            page.get_by_role("button", name="Start").click()
            expect(status).to_have_text(re.compile("^Running with 5 of"))
        expect(status).to_have_text(re.compile("^Running with 0 of the 5 chosen"))
        with serve("daphne", port=port, environment=environment):
            page.evaluate("dispatchEvent(new Event('online'))")  # hurries those in a backoff
            expect(status).to_have_text(re.compile("^Running with 5 of"))


def test_a_stock_consumer_that_sleeps_stalls_all(page: Page) -> None:
    """In the stock edition everybody stands still while one synchronous consumer sleeps."""
    page.goto("/stall/")
    expect(page.locator(".row:visible .time", has_text="ms")).to_have_count(5)
    page.get_by_role("button", name="Block").click()
    expect(page.get_by_role("status")).to_contain_text("5 of 5 stood still")


@pytest.mark.parametrize("edition", ["echo", "tuned"])
def test_an_isolated_consumer_that_sleeps_stalls_nobody(page: Page, edition: str) -> None:
    """In the other editions nobody stands still."""
    page.goto(f"/stall/?edition={edition}")
    expect(page.locator(".row:visible .time", has_text="ms")).to_have_count(5)
    status = page.get_by_role("status")
    for _ in range(3):  # a busy machine may stand still all by itself, but hardly three times
        page.get_by_role("button", name="Block").click()
        expect(status).to_contain_text("stood still")
        if "nobody" in status.inner_text():
            return
    pytest.fail(status.inner_text())


def test_the_difference_of_two_sources_is_marked(page: Page) -> None:
    """Twins side by side differ in the colour of their functions."""
    page.goto("/source/")
    page.get_by_label("Left").select_option("echo/json-websocket")
    page.get_by_label("Right").select_option("echo/async-json-websocket")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("columnheader").first).to_have_text("consumers/echo/json_websocket.py")
    added = {text.strip() for text in page.locator("ins .changed").all_inner_texts()}
    removed = {text.strip() for text in page.locator("del .changed").all_inner_texts()}
    assert added - {""} == {"async", "await", "asyncio", "AsyncJsonWebsocketConsumer"}
    assert removed - {""} == {"time", "JsonWebsocketConsumer"}


@pytest.mark.parametrize("wanted", ["", "echo", "echo/../../sandbox/settings", "/etc/passwd"])
def test_only_exhibits_can_be_asked_for(site: Server, wanted: str) -> None:
    """Source knows the files of the catalogue and no other."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port)
    connection.request("GET", f"/source/?left={quote(wanted)}")
    assert connection.getresponse().status == 404
    connection.close()


def test_what_one_says_in_a_room_all_hear(page: Page) -> None:
    """A message said over one type is heard by all, in two tabs, as the text that it is."""
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto("/rooms/?room=tabs")
        expect(tab.locator('[data-state="open"]')).to_have_count(len(ROOMS))
    page.bring_to_front()
    page.get_by_label("Message").fill("<img src=x onerror=alert(1)>")
    for speaker in ("rooms/websocket", "rooms/async-http"):
        page.get_by_label("said by").select_option(speaker)
        page.get_by_role("button", name="Say").click()
        expect(page.get_by_role("status")).to_contain_text(f"heard by {len(ROOMS)}")
    for tab in (page, other):
        for slug in ROOMS:
            expect(row(tab, f"rooms/{slug}").locator("ol li")).to_have_text(
                ['{"message":"<img src=x onerror=alert(1)>"}'] * 2
            )
        assert tab.locator("img").count() == 0


def test_who_has_left_a_room_hears_nothing(page: Page) -> None:
    """Members come and go one by one; another room is another room."""
    page.goto("/rooms/?room=leaving")
    expect(page.locator('[data-state="open"]')).to_have_count(len(ROOMS))
    away = row(page, "rooms/async-websocket")
    away.get_by_role("checkbox").uncheck()
    expect(away.locator(".state")).to_have_text("not in the room")
    page.get_by_role("button", name="Say").click()
    expect(page.get_by_role("status")).to_contain_text(f"heard by {len(ROOMS) - 1}")
    expect(away.locator("ol li")).to_have_count(0)
    page.get_by_label("said by").select_option("rooms/async-websocket")
    page.get_by_role("button", name="Say").click()
    expect(page.get_by_role("status")).to_contain_text("Not sent")


def test_scope_knows_who_has_signed_in(page: Page) -> None:
    """The name of a user who signs in on the site is in every scope; the session's key is not."""
    page.goto("/scope/")
    scopes = page.locator("pre code")
    expect(scopes).to_have_count(2)
    for scope in scopes.all():
        expect(scope).to_contain_text('"is_authenticated": false')
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_text("createsuperuser")).to_be_visible()
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("enigma")
    page.get_by_role("button", name="Sign in").click()
    session = next(cookie for cookie in page.context.cookies() if cookie.get("name") == "sessionid")
    for scope in scopes.all():
        expect(scope).to_contain_text('"name": "ada"')
        assert session.get("value", "?") not in scope.inner_text()
    page.get_by_role("button", name="Sign out").click()
    for scope in scopes.all():
        expect(scope).to_contain_text('"is_authenticated": false')
