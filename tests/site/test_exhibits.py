"""The list of exhibits, the page of each, and the answer of their URLs to a browser."""

import http.client
import re
import shlex
import subprocess
import sys

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from consumers.catalogue import CATALOGUE, Exhibit, exhibits
from sandbox.processes.servers import ROOT, Server

ECHO = list(exhibits("echo"))
WEBSOCKETS = [exhibit for exhibit in ECHO if exhibit.protocol == "websocket"]
REPLY = '{"message":"hi"}'


def by_id(exhibit: Exhibit) -> str:
    return exhibit.id


def test_the_first_page_lists_every_exhibit(page: Page) -> None:
    """/ shows the class and the URL of each exhibit, and its commands when it is opened."""
    page.goto("/")
    for exhibit in ECHO:
        row = page.locator(".cards li", has=page.get_by_text(exhibit.url, exact=True))
        expect(row.locator(".type")).to_have_text(exhibit.type)
        row.locator("summary").click()
        expect(row.locator("pre").first).to_be_visible()
    expect(page.locator(".cards li")).to_have_count(len(CATALOGUE))


@pytest.mark.parametrize("exhibit", ECHO, ids=by_id)
def test_the_console_snippet_gets_the_echo(page: Page, exhibit: Exhibit) -> None:
    """The snippet on an exhibit's page, pasted into the browser's console, prints the echo."""
    page.goto(f"/exhibits/{exhibit.id}/")
    snippet = page.locator(".command", has_text="Browser console").locator("code").inner_text()
    with page.expect_console_message() as console:
        page.evaluate(f"async () => {{ {snippet} }}")
    assert console.value.text == REPLY


def test_the_tutorials_own_snippet_gets_its_echo(page: Page) -> None:
    """The snippet of docs/README.md, on any page of this site, prints the message it has sent."""
    (snippet,) = re.findall(
        r"```js\n(.*?)```", (ROOT / "docs" / "README.md").read_text(), re.DOTALL
    )
    page.goto("/login/")
    with page.expect_console_message() as console:
        page.evaluate(f"() => {{ {snippet} }}")
    assert console.value.args[0].json_value() == {"message": "nuestro mensaje"}


def test_curl_gets_the_echo(page: Page) -> None:
    """The curl command of the HTTP exhibit prints the echo."""
    page.goto("/exhibits/echo/async-http/")
    command = page.locator(".command", has_text="Shell").locator("code").inner_text()
    done = subprocess.run(
        [*shlex.split(command), "--silent"], capture_output=True, text=True, check=True
    )
    assert done.stdout == REPLY


def test_the_websocket_client_gets_the_echo(page: Page) -> None:
    """The client in the shell command of a WebSocket exhibit prints the echo."""
    page.goto("/exhibits/echo/websocket/")
    command = page.locator(".command", has_text="Shell").locator("code").inner_text()
    client, url = shlex.split(command)
    assert client == ".venv/bin/websockets"
    with subprocess.Popen(
        [sys.executable, "-m", "websockets", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"message": "hi"}\n')
        process.stdin.flush()
        assert any(REPLY in line.decode() for line in process.stdout)
        process.stdin.close()


def test_the_copy_button_copies(browser: Browser, site: Server) -> None:
    """A command's button puts it on the clipboard and says so."""
    permissions = ["clipboard-read", "clipboard-write"]
    with browser.new_context(base_url=site.url, permissions=permissions) as context:
        page = context.new_page()
        page.goto("/exhibits/echo/async-http/")
        page.get_by_role("button", name="Copy the shell command").click()
        expect(page.get_by_text("Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()").startswith("curl -d")


def test_the_page_shows_headers_ping_and_close(page: Page) -> None:
    """A click shows the handshake's headers both ways, a message, a ping, and the chosen close."""
    page.goto("/exhibits/echo/websocket/")
    page.get_by_label("Message").fill('{"message": "<b>"}')
    page.get_by_label("Close code").fill("4001")
    page.get_by_label("Close reason").fill("done")
    page.get_by_role("button", name="Connect and show").click()
    expect(page.locator(".frames tbody tr")).to_have_text(
        [
            re.compile(r"→ handshake.*GET /echo/websocket/.*Sec-WebSocket-Version: 13", re.DOTALL),
            re.compile(r"← handshake.*101 Switching.*Sec-WebSocket-Accept: ", re.DOTALL),
            re.compile(r'→ text.*{"message": "<b>"}$'),
            re.compile(r'← text.*{"message":"<b>"}$'),
            re.compile("→ ping"),
            re.compile("← pong"),
            re.compile("→ close.*4001 done$"),
            re.compile("← close.*1000$"),  # Daphne's own
        ]
    )
    expect(page.get_by_label("Close code")).to_have_value("4001")
    assert Axe().run(page).violations_count == 0


def test_a_phone_shows_units_and_unbroken_lines(page: Page) -> None:
    """On a phone a frame has its units next to it, and a line of the source stays one line."""
    page.goto("/exhibits/history/websocket/")
    source = page.get_by_role("region", name="consumers/history/websocket.py").locator("code")
    height = source.evaluate("code => code.getBoundingClientRect().height")
    page.set_viewport_size({"width": 375, "height": 800})
    assert source.evaluate("code => code.getBoundingClientRect().height") == height
    page.get_by_role("button", name="Connect and show").click()
    units = page.locator(".frames tbody tr").first.evaluate(
        "row => [...row.cells].map((cell) => getComputedStyle(cell, '::after').content)"
    )
    assert units == ['" ms"', "none", '" bytes"', "none"]


@pytest.mark.parametrize(
    ("label", "value", "sentence"),
    [
        (
            "Close code",
            "1005",
            "A client may close with 1000 to 1003, 1007 to 1011 or 3000 to 4999.",
        ),
        (
            "Close code",
            "5000",
            "A client may close with 1000 to 1003, 1007 to 1011 or 3000 to 4999.",
        ),
        ("Close reason", "é" * 62, "A reason has at most 123 bytes in UTF-8."),
    ],
)
def test_what_no_client_may_send_gets_a_sentence(
    page: Page, label: str, value: str, sentence: str
) -> None:
    """A close code that is reserved, or a reason that is too long, is explained next to it."""
    page.goto("/exhibits/echo/websocket/")
    page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Connect and show").click()
    expect(page.locator(".errorlist")).to_have_text(sentence)
    expect(page.locator(".frames")).to_have_count(0)
    assert Axe().run(page).violations_count == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("exhibit", WEBSOCKETS, ids=by_id)
def test_a_websocket_url_explains_itself_over_http(
    site: Server, exhibit: Exhibit, method: str
) -> None:
    """A WebSocket URL requested over plain HTTP answers 426, with an explanation and a link."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port)
    connection.request(method, exhibit.url)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    assert (response.status, response.headers["Upgrade"]) == (426, "websocket")
    assert "needs a WebSocket connection" in body
    assert f'href="/exhibits/{exhibit.id}/"' in body
