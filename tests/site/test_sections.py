"""Race, Stall, Source, Rooms and Scope, in a real browser."""

import http.client
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, WebSocket, expect

from consumers.catalogue import exhibits
from sandbox.processes.servers import ROOT, Server, free_port, serve
from tests.support.browser import BrowserErrors

ROOMS = [exhibit.slug for exhibit in exhibits("rooms")]
RATE = re.compile(r"^[1-9][\d,]* /s$")


def row(page: Page, exhibit: str) -> Locator:
    return page.locator(f'[data-id="{exhibit}"]')


def test_a_race_shows_rates_until_stopped(page: Page) -> None:
    """Each chosen exhibit has a rate and percentiles, until Stop or until it is unchecked."""
    page.goto("/race/")
    page.get_by_label("In flight").fill("2")
    page.get_by_label("Message size").fill("1000")
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


def test_a_race_goes_on_with_the_last_valid_numbers(page: Page) -> None:
    """A number that is not valid, typed during a race, is not used, and the page says so."""
    page.goto("/race/")
    page.get_by_role("button", name="Start").click()
    status = page.get_by_role("status")
    running = re.compile(r"^Running with 5 of \d+ exhibits\.$")
    expect(status).to_have_text(running)
    for label, number in (("Message size", "1000000000"), ("In flight", "-1")):
        page.get_by_label(label).fill(number)
        expect(status).to_contain_text("A number in the form is not valid")
        page.get_by_label(label).fill("1")
        expect(status).to_have_text(running)


def test_a_stopped_race_is_over(page: Page) -> None:
    """A request that is under way when a race stops neither continues it nor changes its state."""
    held: list[Route] = []
    page = page.context.new_page()  # it is closed with its route
    page.route("**/echo/async-http/", lambda route: held.append(route))  # noqa: PLW0108 # Playwright sets an attribute of its own
    page.goto("/race/")
    for slug in ("websocket", "async-websocket", "json-websocket", "async-json-websocket"):
        page.locator(f"[value='echo/{slug}']").uncheck()
    page.get_by_label("In flight").fill("1")
    start, stop = (page.get_by_role("button", name=name) for name in ("Start", "Stop"))
    start.click()
    while not held:
        page.wait_for_timeout(50)
    stop.click()
    start.click()
    while len(held) < 2:
        page.wait_for_timeout(50)
    held[0].continue_()
    page.wait_for_timeout(500)
    assert len(held) == 2
    stop.click()
    held[1].continue_()
    page.wait_for_timeout(200)
    expect(row(page, "echo/async-http").locator(".state")).to_have_text("not connected")


def test_a_hidden_tab_stops_its_race(page: Page) -> None:
    """When its tab is hidden, a race stops and says why."""
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
    """A race shows when its server has stopped, and continues when it is back."""
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
            page.evaluate("dispatchEvent(new Event('online'))")  # ends the backoff
            expect(status).to_have_text(re.compile("^Running with 5 of"))


def block(page: Page, edition: str) -> str:
    """Block a sync consumer of an edition; return the report."""
    page.goto(f"/stall/?edition={edition}")
    expect(page.locator(".row:visible .time", has_text="ms")).to_have_count(7)
    page.get_by_role("button", name="Block").click()
    status = page.get_by_role("status")
    expect(status).to_contain_text("connections stalled")
    return status.inner_text()


def test_a_stock_consumer_that_sleeps_stalls_its_edition(page: Page) -> None:
    """A sleeping stock consumer stalls all connections of stock, and none of echo or tuned."""
    report = block(page, "stock")
    assert "While stock/websocket slept, 5 of 7 connections stalled" in report
    assert "stock/async-websocket for" in report
    assert "echo/async-websocket for" not in report


@pytest.mark.parametrize("edition", ["echo", "tuned"])
def test_an_isolated_consumer_that_sleeps_stalls_no_other(page: Page, edition: str) -> None:
    """A sleeping consumer of echo or tuned stalls no other connection, not even one of stock."""
    for _ in range(3):  # a busy machine may stall by itself, but hardly three times
        report = block(page, edition)
        if f"While {edition}/websocket slept, 0 of 7 connections stalled" in report:
            return
    pytest.fail(report)


def test_another_edition_begins_anew(page: Page, browser_errors: BrowserErrors) -> None:
    """After a change of the edition each row has one ping under way, and no old report comes."""
    most = 0

    def opened(socket: WebSocket) -> None:
        waiting = 0

        def count(by: int) -> None:
            nonlocal waiting, most
            waiting += by
            most = max(most, waiting)

        socket.on("framesent", lambda _: count(1))
        socket.on("framereceived", lambda _: count(-1))

    browser_errors.expect("closed before the connection is established")  # those of tuned
    block(page, "stock")
    page.on("websocket", opened)
    page.evaluate(
        """() => {
            for (const edition of ["tuned", "stock"]) {
                document.querySelector(`[name=edition][value=${edition}]`).click();
            }
        }"""
    )
    expect(page.locator('.row:visible[data-state="open"]')).to_have_count(7)
    page.get_by_role("button", name="Block").click()
    page.wait_for_timeout(1000)
    page.get_by_role("radio", name="echo").check(force=True)
    page.wait_for_timeout(1000)
    expect(page.get_by_role("status")).to_be_empty()
    assert most == 1


def test_the_difference_of_two_sources_is_marked(page: Page) -> None:
    """A sync and an async exhibit differ only in async, await and the names they import."""
    page.goto("/source/")
    page.get_by_label("Left").select_option("echo/json-websocket")
    page.get_by_label("Right").select_option("echo/async-json-websocket")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("columnheader").first).to_have_text("consumers/echo/json_websocket.py")
    added = {text.strip() for text in page.locator("ins .changed").all_inner_texts()}
    removed = {text.strip() for text in page.locator("del .changed").all_inner_texts()}
    assert added - {""} == {"async", "await", "asyncio", "AsyncJsonWebsocketConsumer"}
    assert removed - {""} == {"time", "JsonWebsocketConsumer"}


def test_a_phone_shows_both_sources_whole(page: Page) -> None:
    """At 400 pixels each file is there line by line, and a link or the arrow keys lead to it."""
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto("/source/?left=echo/json-websocket&right=echo/async-json-websocket")
    for column, name in ((1, "json_websocket"), (2, "async_json_websocket")):
        lines = page.locator(f".diff td:nth-child({column})").all_inner_texts()
        shown = "\n".join(line.strip("\n") for line in lines)
        written = (ROOT / f"consumers/echo/{name}.py").read_text()
        assert re.sub(r"\s+", " ", shown).strip() == re.sub(r"\s+", " ", written).strip()
    left, right = page.locator("#left"), page.locator("#right")
    expect(left).to_be_in_viewport(ratio=1)
    expect(right).to_be_in_viewport()  # its edge: there is more
    expect(right).not_to_be_in_viewport(ratio=0.5)
    page.get_by_role("link", name="the right file").click()
    expect(right).to_be_in_viewport(ratio=0.95)
    both = page.get_by_role("region", name="Both files")
    both.focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    expect(left).to_be_in_viewport(ratio=0.95)


@pytest.mark.parametrize("wanted", ["", "echo", "echo/../../sandbox/settings", "/etc/passwd"])
def test_source_shows_exhibits_only(site: Server, wanted: str) -> None:
    """Source answers 404 for anything that is not the id of an exhibit."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port)
    connection.request("GET", f"/source/?left={quote(wanted)}")
    assert connection.getresponse().status == 404
    connection.close()


def enter(tab: Page, room: str) -> None:
    tab.goto(f"/rooms/?room={room}")
    row(tab, "rooms/async-http").get_by_role("checkbox").check()
    expect(tab.locator('[data-state="open"]')).to_have_count(len(ROOMS))


def send(tab: Page, message: str, sender: str = "rooms/websocket") -> None:
    tab.get_by_label("Message", exact=True).fill(message)
    tab.get_by_label("from").select_option(sender)
    tab.get_by_role("button", name="Send").click()


def expect_received(tab: Page, *messages: str) -> None:
    """Wait until each member of the tab has received these messages, the newest first."""
    for slug in ROOMS:
        expect(row(tab, f"rooms/{slug}").locator("ol li")).to_have_text(
            [f'{{"message":"{message}"}}' for message in messages]
        )


def test_a_message_in_a_room_reaches_every_member(page: Page) -> None:
    """A message sent with one type reaches all types, in two tabs, and is shown as text."""
    other = page.context.new_page()
    for tab in (page, other):
        enter(tab, "tabs")
    page.bring_to_front()
    markup = "<img src=x onerror=alert(1)>"
    for sender in ("rooms/websocket", "rooms/async-http"):
        send(page, markup, sender)
        expect(page.get_by_role("status")).to_contain_text(f"received by {len(ROOMS)}")
    for tab in (page, other):
        expect_received(tab, markup, markup)
        assert tab.locator("img").count() == 0


def test_members_are_named_once(page: Page) -> None:
    """Of equal messages that come together, the sentence names each member once."""
    enter(page, "twice")
    page.get_by_role("button", name="Send").evaluate(
        "button => { for (let click = 0; click < 3; click++) button.click(); }"
    )
    expect_received(page, "hi", "hi", "hi")
    status = page.get_by_role("status")
    expect(status).to_contain_text("received by")
    names = status.inner_text().removesuffix(".").split(": ")[-1].split(", ")
    assert len(names) == len(set(names))


def test_a_message_reaches_its_own_room_only(page: Page) -> None:
    """Of two rooms with two tabs each, a message reaches both tabs of its room and no other."""
    tabs = {"kitchen": [page, page.context.new_page()]}
    tabs["garden"] = [page.context.new_page(), page.context.new_page()]
    for room, pair in tabs.items():
        for tab in pair:
            enter(tab, room)
    for room, (tab, _) in tabs.items():
        tab.bring_to_front()
        for sender in ("rooms/websocket", "rooms/async-http"):
            send(tab, f"{room} {sender}", sender)
            expect(tab.get_by_role("status")).to_contain_text(f"received by {len(ROOMS)}")
    # Each room's own messages have come: had the other room's come too, they would be there.
    for room, pair in tabs.items():
        for tab in pair:
            expect_received(tab, f"{room} rooms/async-http", f"{room} rooms/websocket")


def test_join_enters_the_room_that_is_typed(page: Page) -> None:
    """Typing another room's name and pressing Join leaves the one room and enters the other."""
    enter(page, "kitchen")
    page.get_by_label("Room", exact=True).fill("garden")
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("status")).to_have_text("You have joined garden.")
    row(page, "rooms/async-http").get_by_role("checkbox").check()
    expect(page.locator('[data-state="open"]')).to_have_count(len(ROOMS))
    other = page.context.new_page()
    enter(other, "garden")
    send(other, "welcome")
    expect_received(page, "welcome")


def test_nothing_is_sent_to_the_old_room_while_another_is_typed(page: Page) -> None:
    """While the room that is typed is not joined, Send sends nothing, and says why."""
    enter(page, "kitchen")
    status = page.get_by_role("status")
    page.get_by_label("Room", exact=True).fill("garden")
    expect(status).to_have_text("You are still in kitchen. Press Join to join garden.")
    send(page, "lost?")
    expect(status).to_have_text("Not sent: you have joined kitchen, not garden. Press Join first.")
    page.get_by_label("Room", exact=True).fill("kitchen")
    expect(status).to_have_text("You have joined kitchen.")
    send(page, "here")
    expect_received(page, "here")


def test_a_member_that_has_left_receives_nothing(page: Page) -> None:
    """A member whose box is unchecked leaves the room alone: it neither receives nor sends."""
    enter(page, "leaving")
    away = row(page, "rooms/async-websocket")
    away.get_by_role("checkbox").uncheck()
    expect(away.locator(".state")).to_have_text("not in the room")
    send(page, "hi")
    expect(page.get_by_role("status")).to_contain_text(f"received by {len(ROOMS) - 1}")
    expect(away.locator("ol li")).to_have_count(0)
    send(page, "hi", "rooms/async-websocket")
    expect(page.get_by_role("status")).to_have_text(
        "Not sent by AsyncWebsocketConsumer: not in the room."
    )


def test_a_room_shows_who_comes_and_who_leaves(page: Page) -> None:
    """Members of this page come and leave by name, those of other clients by number."""
    enter(page, "door")
    presence = page.locator("#presence")
    expect(presence.locator("li")).to_contain_text([f"{one} joined" for one in ["Consumer"] * 5])
    expect(presence.locator(".count")).to_have_text("5 of this page, 0 others")
    other = page.context.new_page()
    enter(other, "door")
    expect(presence.locator(".count")).to_have_text("5 of this page, 5 others")
    row(other, "rooms/websocket").get_by_role("checkbox").uncheck()
    row(page, "rooms/async-http").get_by_role("checkbox").uncheck()
    expect(presence.locator(".count")).to_have_text("4 of this page, 4 others")
    other.close()
    expect(presence.locator(".count")).to_have_text("4 of this page, 0 others")
    expect(presence.locator("li").first).to_have_text(re.compile(r"^\d\d:\d\d:\d\d .* left$"))
    expect(presence).to_contain_text("AsyncHttpConsumer left")
    assert not page.locator("ol li", has_text='"members"').count()  # in no member's messages


@pytest.mark.parametrize("room", ["", "a b", "a/b", "x" * 95])
def test_a_room_has_a_valid_name(site: Server, room: str) -> None:
    """Rooms answers 404 for a name that no room's URL can hold."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port)
    connection.request("GET", f"/rooms/?room={quote(room)}")
    assert connection.getresponse().status == 404
    connection.close()


def test_scope_has_the_user_until_they_sign_out(page: Page) -> None:
    """Every scope has the name of a user who signs in, and signing out elsewhere closes it."""
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
    with page.context.new_page() as other:
        other.goto("/scope/")
        other.get_by_role("button", name="Sign out").click()
        expect(other.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.get_by_role("status").first).to_have_text("closed 4401: signed out")
    page.reload()
    for scope in scopes.all():
        expect(scope).to_contain_text('"is_authenticated": false')
