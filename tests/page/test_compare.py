"""Compare: one request to five consumers, seen as a person sees it."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from sandbox.processes.servers import Server, free_port, serve
from sandbox.site.presets import presets, reasons
from tests.page.conftest import Trouble

IDENTICAL = re.compile("^All five identical")


def row(page: Page, exhibit: str) -> Locator:
    return page.locator(f'[data-id="{exhibit}"]')


def visit(page: Page, edition: str = "echo") -> Locator:
    """Wait until the first comparison is over; return the verdict."""
    page.goto(f"/?edition={edition}")
    verdict = page.locator("#verdict")
    expect(verdict).to_have_text(IDENTICAL)
    return verdict


def compare(page: Page, request: str) -> None:
    page.get_by_label("Request").fill(request)
    page.get_by_role("button", name="Send to all").click()


def test_the_page_opens_with_a_comparison(page: Page) -> None:
    """All five are asked as soon as the page is there, and shown with their round-trip times."""
    verdict = visit(page)
    expect(verdict).to_have_text('All five identical: {"message":"hi"}')
    for reply in page.locator(".row:visible").all():
        expect(reply.locator(".reply")).to_have_text('{"message":"hi"}')
        expect(reply.locator(".time")).to_have_text(re.compile(r"^[\d.]+ ms$"))
    expect(row(page, "echo/websocket").locator(".state")).to_have_text("open")


def test_every_preset_is_answered_alike(page: Page, trouble: Trouble) -> None:
    """Whatever preset is sent to the echo edition, the five replies are identical."""
    trouble.expect("status of 400", "status of 413")  # the HTTP exhibit's word for a bad request
    verdict = visit(page)
    for preset in presets():
        expect(verdict).to_have_text(IDENTICAL)
        verdict.evaluate("verdict => (verdict.textContent = '')")
        page.get_by_role("button", name=preset.label, exact=True).click()
        expect(verdict).to_have_text(IDENTICAL)
        assert page.get_by_label("binary").is_checked() is preset.binary


def test_what_is_not_json_is_sent_as_it_is(page: Page, trouble: Trouble) -> None:
    """The field is no JSON editor: the consumers, not the page, judge what is typed."""
    trouble.expect("status of 400")
    verdict = visit(page)
    compare(page, "{'message': 1}")
    expect(verdict).to_have_text(re.compile('All five identical: {"error":{"code":"invalid_json"'))


def test_markup_in_a_reply_is_text(page: Page) -> None:
    """An <img onerror=...> comes back as the characters that it is."""
    visit(page)
    compare(page, '{"message": "<img src=x onerror=alert(1)>"}')
    expect(row(page, "echo/websocket").locator(".reply")).to_have_text(
        '{"message":"<img src=x onerror=alert(1)>"}'
    )
    assert page.locator("img").count() == 0


def test_the_keyboard_is_enough(page: Page) -> None:
    """Enter sends, Shift+Enter starts a line, arrows change the edition."""
    verdict = visit(page)
    field = page.get_by_label("Request")
    field.press("Control+a")
    field.press_sequentially('{"message":')
    field.press("Shift+Enter")
    field.press_sequentially('"typed"}')
    field.press("Enter")
    expect(verdict).to_have_text('All five identical: {"message":"typed"}')
    page.get_by_role("radio", name="echo").focus()
    page.keyboard.press("ArrowRight")
    expect(verdict).to_have_text('All five identical: {"message": "typed"}')
    assert page.url.endswith("?edition=tutorial")


def test_tutorial_consumers_die_and_reconnect(page: Page, trouble: Trouble) -> None:
    """A request they cannot take ends the tutorial's consumers; the row says so and reconnects."""
    trouble.expect("status of 500")
    verdict = visit(page, "tutorial")
    compare(page, "{}")
    expect(verdict).to_have_text(re.compile("^None of five answered"))
    dead = row(page, "tutorial/websocket")
    expect(dead.locator(".state")).to_have_text("closed 1011: internal error")
    expect(dead.locator(".why")).to_have_text("Nobody caught the exception that this raised.")
    assert Axe().run(page).violations_count == 0
    dead.get_by_role("button", name="Reconnect").click()
    expect(dead.locator(".state")).to_have_text("open")
    compare(page, '{"message": "again"}')
    expect(verdict).to_have_text(re.compile("^Two of five answered"))
    page.get_by_role("button", name="Binary").click()
    expect(verdict).to_have_text(re.compile("^One of five answered"))
    expect(dead.locator(".why")).to_have_text(reasons()["binary"]["tutorial/websocket"])


def test_what_is_longer_than_servers_take_is_not_sent(page: Page) -> None:
    """Over a mebibyte the page says that it sent nothing, and why."""
    verdict = visit(page)
    compare(page, "x" * (1024 * 1024 + 1))
    expect(verdict).to_have_text(
        "Not sent: 1,048,577 bytes are more than the 1,048,576 that Daphne takes."
    )
    compare(page, '{"message": "short"}')
    expect(verdict).to_have_text('All five identical: {"message":"short"}')


def test_a_thousand_clicks_are_one(page: Page) -> None:
    """While replies are awaited, clicks send nothing, and the page says so."""
    verdict = visit(page)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.get_by_label("Request").fill('{"message": "once", "delay": 1}')
    page.get_by_role("button", name="Send to all").evaluate(
        "button => { for (let click = 0; click < 1000; click++) button.click(); }"
    )
    expect(verdict).to_have_text("Still waiting for replies; 999 clicks sent nothing.")
    expect(verdict).to_have_text('All five identical: {"message":"once"}')
    assert len(sent) == 1


def test_a_server_that_comes_back_is_found_again(
    browser: Browser, environment: dict[str, str]
) -> None:
    """When the server goes, the rows say so and try again; when it is back, they connect."""
    port = free_port()
    with browser.new_context(base_url=f"http://127.0.0.1:{port}") as context:
        page = context.new_page()
        state = row(page, "echo/websocket").locator(".state")
        with serve("daphne", port=port, environment=environment):
            verdict = visit(page)
        expect(state).to_have_text(re.compile(r"^closed 1006: connection lost; next attempt in"))
        compare(page, '{"message": "anybody?"}')
        expect(verdict).to_have_text(re.compile("^None of five answered"))
        with serve("daphne", port=port, environment=environment):
            expect(state).to_have_text("open")
            page.evaluate("dispatchEvent(new Event('online'))")  # hurries those in a backoff
            expect(page.locator(".row:visible", has_text="next attempt")).to_have_count(0)
            compare(page, '{"message": "back"}')
            expect(verdict).to_have_text('All five identical: {"message":"back"}')


@pytest.mark.parametrize("slug", ["websocket", "async-json-websocket"])
def test_a_foreign_origin_is_refused(page: Page, site: Server, trouble: Trouble, slug: str) -> None:
    """A web page from elsewhere cannot open a connection: the handshake gets a 403."""
    trouble.expect("Unexpected response code: 403", "favicon.ico")
    page.goto(f"http://evil.example:{site.port}/static/site/style.css")
    assert page.evaluate("origin") == f"http://evil.example:{site.port}"
    outcome = page.evaluate(
        """url => new Promise((resolve) => {
            const socket = new WebSocket(url);
            socket.onopen = () => resolve("open");
            socket.onclose = ({ code }) => resolve(code);
        })""",
        f"ws://127.0.0.1:{site.port}/echo/{slug}/",
    )
    assert outcome == 1006
    assert any("403" in told for told in trouble.seen)
