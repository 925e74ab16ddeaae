"""Compare: one request to five consumers, in a real browser."""

import re
import signal
from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from sandbox.processes.servers import Server, free_port, serve
from sandbox.site.presets import presets, reasons
from tests.support.browser import BrowserErrors

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
    """When the page opens, all five get a request, and their round-trip times are shown."""
    verdict = visit(page)
    expect(verdict).to_have_text('All five identical: {"message":"hi"}')
    for reply in page.locator(".row:visible").all():
        expect(reply.locator(".reply")).to_have_text('{"message":"hi"}')
        expect(reply.locator(".time")).to_have_text(re.compile(r"^[\d.]+ ms$"))
    expect(row(page, "echo/websocket").locator(".state")).to_have_text("open")


def test_every_preset_gets_identical_replies(page: Page, browser_errors: BrowserErrors) -> None:
    """For each preset, the five replies of the echo edition are identical."""
    browser_errors.expect("status of 400", "status of 413")  # of the HTTP exhibit
    verdict = visit(page)
    for preset in presets():
        expect(verdict).to_have_text(IDENTICAL)
        verdict.evaluate("verdict => (verdict.textContent = '')")
        page.get_by_role("button", name=preset.label, exact=True).click()
        expect(verdict).to_have_text(IDENTICAL)
        assert page.get_by_label("binary").is_checked() is preset.binary


def test_text_that_is_not_json_is_sent_unchanged(page: Page, browser_errors: BrowserErrors) -> None:
    """The consumers, not the page, decide whether the request is valid."""
    browser_errors.expect("status of 400")
    verdict = visit(page)
    compare(page, "{'message': 1}")
    expect(verdict).to_have_text(re.compile('All five identical: {"error":{"code":"invalid_json"'))


def test_markup_in_a_reply_is_text(page: Page) -> None:
    """An <img onerror=...> in a reply is shown as text, not made an element."""
    visit(page)
    compare(page, '{"message": "<img src=x onerror=alert(1)>"}')
    expect(row(page, "echo/websocket").locator(".reply")).to_have_text(
        '{"message":"<img src=x onerror=alert(1)>"}'
    )
    assert page.locator("img").count() == 0


def test_the_keyboard_is_enough(page: Page) -> None:
    """Enter sends, Shift+Enter starts a new line, arrow keys change the edition."""
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
    assert "?edition=tutorial#request=" in page.url


def test_tutorial_consumers_fail_and_reconnect(page: Page, browser_errors: BrowserErrors) -> None:
    """Bad input ends the tutorial's connections; each row shows the close code and reconnects."""
    browser_errors.expect("status of 500")
    verdict = visit(page, "tutorial")
    compare(page, "{}")
    expect(verdict).to_have_text(re.compile("^None of five answered"))
    failed = row(page, "tutorial/websocket")
    expect(failed.locator(".state")).to_have_text("closed 1011: internal error")
    expect(failed.locator(".reason")).to_have_text("The consumer raised an exception.")
    assert Axe().run(page).violations_count == 0
    failed.get_by_role("button", name="Reconnect").click()
    expect(failed.locator(".state")).to_have_text("open")
    compare(page, '{"message": "again"}')
    expect(verdict).to_have_text(re.compile("^Two of five answered"))
    page.get_by_role("button", name="Binary").click()
    expect(verdict).to_have_text(re.compile("^One of five answered"))
    expect(failed.locator(".reason")).to_have_text(reasons()["binary"]["tutorial/websocket"])


def test_the_address_has_the_request_that_was_sent(
    page: Page, browser_errors: BrowserErrors
) -> None:
    """A link opens with its request in the form, sends nothing, and gets the replies when asked."""
    browser_errors.expect("status of 500")
    visit(page, "tutorial")
    page.get_by_role("button", name="Binary", exact=True).click()
    verdict = page.locator("#verdict")
    expect(verdict).to_have_text(re.compile("^One of five answered"))
    assert page.url.endswith("/?edition=tutorial#probe=binary")
    compare(page, "{“é&=#+")
    expect(verdict).to_have_text(re.compile("^None of five answered"))
    address = page.url
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("about:blank")
    page.goto(address)
    expect(verdict).to_have_text(re.compile("^This request is from the link, and is not sent yet"))
    expect(page.get_by_label("Request")).to_have_value("{“é&=#+")
    expect(page.get_by_label("binary")).to_be_checked()
    # Chromium's console warns of a WebSocket that is closed before it is open.
    expect(page.locator(".row:visible .state", has_text="open")).to_have_count(4)
    page.get_by_role("radio", name="echo").check(force=True)
    expect(row(page, "echo/websocket").locator(".state")).to_have_text("open")
    assert not any(url.endswith("/async-http/") for url in asked)
    browser_errors.expect("status of 400")
    page.get_by_role("button", name="Send to all").click()
    expect(verdict).to_have_text(re.compile('^All five identical: {"error":{"code":"invalid_json"'))


@pytest.mark.parametrize(
    ("address", "place", "sentence"),
    [
        ("/#probe=nil", "#verdict", "The link is wrong. This page has no request “nil”."),
        (
            "/#request=1&as=morse",
            "#verdict",
            "The link is wrong. A request is sent as text or as binary, not as “morse”.",
        ),
        (
            "/?edition=ecko#request=1",
            "#unknown-edition",
            "There is no edition “ecko” here: this is echo.",
        ),
    ],
    ids=["probe", "as", "edition"],
)
def test_a_wrong_link_gets_a_sentence(page: Page, address: str, place: str, sentence: str) -> None:
    """Where an address names what is not there, the page says so and sends nothing."""
    page.goto(address)
    expect(page.locator(place)).to_have_text(sentence)
    expect(row(page, "echo/websocket").locator(".state")).to_have_text("open")
    expect(page.locator(".row:visible .reply").first).to_be_empty()


def test_a_request_over_the_limit_of_daphne_is_not_sent(page: Page) -> None:
    """A request of more than 1 MiB is not sent, and the page says why."""
    verdict = visit(page)
    compare(page, "x" * (1024 * 1024 + 1))
    expect(verdict).to_have_text("Not sent: 1,048,577 bytes. Daphne accepts at most 1,048,576.")
    compare(page, '{"message": "short"}')
    expect(verdict).to_have_text('All five identical: {"message":"short"}')


def test_a_thousand_clicks_send_one_request(page: Page) -> None:
    """While the page waits for replies, it ignores clicks and says so."""
    verdict = visit(page)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_label("Request").fill('{"message": "once", "delay": 1}')
    page.get_by_role("button", name="Send to all").evaluate(
        "button => { for (let click = 0; click < 1000; click++) button.click(); }"
    )
    expect(verdict).to_have_text("Still waiting for replies: 999 clicks ignored.")
    expect(verdict).to_have_text('All five identical: {"message":"once"}')
    assert sent.count("POST") == 1


def test_the_page_reconnects_after_a_restart_of_the_server(
    browser: Browser, environment: dict[str, str]
) -> None:
    """When the server stops, the rows show it and retry; when it is back, they connect."""
    port = free_port()
    with browser.new_context(base_url=f"http://127.0.0.1:{port}") as context:
        page = context.new_page()
        state = row(page, "echo/websocket").locator(".state")
        with serve("daphne", port=port, environment=environment):
            verdict = visit(page)
        expect(state).to_have_text(re.compile(r"^closed 1006: connection lost; next attempt in"))
        compare(page, '{"message": "lost"}')
        expect(verdict).to_have_text(re.compile("^None of five answered"))
        with serve("daphne", port=port, environment=environment):
            expect(state).to_have_text("open")
            page.evaluate("dispatchEvent(new Event('online'))")  # ends the backoff
            expect(page.locator(".row:visible", has_text="next attempt")).to_have_count(0)
            compare(page, '{"message": "back"}')
            expect(verdict).to_have_text('All five identical: {"message":"back"}')


def test_the_page_does_not_wait_for_a_server_that_hangs(
    browser: Browser, environment: dict[str, str]
) -> None:
    """A handshake that is not answered ends after ten seconds, and the row says so."""
    with (
        serve("daphne", environment=environment) as server,
        browser.new_context(base_url=server.url) as context,
    ):
        page = context.new_page()
        page.clock.install()
        visit(page)
        server.process.send_signal(signal.SIGSTOP)
        try:
            page.get_by_role("radio", name="tutorial").check(force=True)
            state = row(page, "tutorial/websocket").locator(".state")
            expect(state).to_have_text("connecting")
            page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
            expect(state).to_have_text("no reply within 10 s; next attempt in 0.5 s")
        finally:
            server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("slug", ["websocket", "async-json-websocket"])
def test_a_foreign_origin_is_refused(
    page: Page, site: Server, browser_errors: BrowserErrors, slug: str
) -> None:
    """A web page of another origin cannot open a connection: the handshake gets a 403."""
    browser_errors.expect("Unexpected response code: 403", "status of 400", "favicon.ico")
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
    assert any("403" in error for error in browser_errors.seen)
