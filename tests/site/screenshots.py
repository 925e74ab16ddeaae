"""Take the README's screenshot or, with a folder, pictures of every section.

    .venv/bin/python -m tests.site.screenshots [FOLDER]

It needs a Chromium and a migrated database: ``make serve`` makes one.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from playwright.sync_api import Browser, Page, expect

from sandbox.processes.servers import ROOT, serve
from tests.support.browser import chromium

Scheme: TypeAlias = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WARM_UP = 100
"""Requests to each exhibit before a picture shows its round-trip time."""


def compared(page: Page) -> None:
    verdict = page.locator("#verdict")
    expect(verdict).not_to_be_empty()
    for _ in range(WARM_UP):
        verdict.evaluate("verdict => (verdict.textContent = '')")
        page.get_by_role("button", name="Send to all").click()
        expect(verdict).not_to_be_empty()


def failed(page: Page) -> None:
    compared(page)
    page.get_by_role("button", name="No message").click()
    expect(page.locator("#verdict")).to_have_text(re.compile("^None"))


def raced(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    page.wait_for_timeout(5000)


def stalled(page: Page) -> None:
    page.wait_for_timeout(3500)
    page.get_by_role("button", name="Block").click()
    expect(page.get_by_role("status")).to_contain_text("connections stalled")
    page.wait_for_timeout(500)


def sent(page: Page) -> None:
    page.get_by_role("checkbox").last.check()
    expect(page.locator('[data-state="open"]')).to_have_count(5)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_contain_text("received by")


def tried(page: Page) -> None:
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("list", name="What came back")).not_to_be_empty()


def recorded(page: Page) -> None:
    page.get_by_role("button", name="Connect and show").click()
    expect(page.get_by_role("table", name="Frames")).to_be_visible()


def loaded(page: Page) -> None:
    page.wait_for_timeout(500)


SECTIONS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "choose": ("/choose/", loaded),
    "chosen": ("/choose/?code=blocks&others=yes&listens=no&client=browser", tried),
    "compare": ("/", compared),
    "tutorial": ("/?edition=tutorial", failed),
    "matrix": ("/matrix/", loaded),
    "cell": ("/matrix/#cell=close-answer&of=echo/websocket&on=uvicorn", loaded),
    "race": ("/race/", raced),
    "stall": ("/stall/", stalled),
    "source": ("/source/", loaded),
    "rooms": ("/rooms/", sent),
    "scope": ("/scope/", loaded),
    "docs": ("/docs/choosing/", loaded),
    "login": ("/login/", loaded),
    "exhibit": ("/exhibits/echo/json-websocket/", loaded),
    "wire": ("/exhibits/echo/json-websocket/", recorded),
    "upgrade-required": ("/echo/websocket/", loaded),
}


def take(  # noqa: PLR0913 # all but the first two say which picture
    browser: Browser,
    url: str,
    section: str,
    file: Path,
    *,
    width: int = 1280,
    scheme: Scheme = "light",
    height: int = 0,
) -> None:
    path, act = SECTIONS[section]
    page = browser.new_page(
        viewport={"width": width, "height": height or 1000}, color_scheme=scheme
    )
    page.goto(url + path)
    act(page)
    page.screenshot(path=file, full_page=not height)
    page.context.close()


def main() -> None:
    with serve() as server, chromium() as browser:
        if len(sys.argv) == 1:
            take(browser, server.url, "compare", ROOT / "docs" / "page.png", height=1040)
            return
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        for section in SECTIONS:
            for width in (1280, 375):
                for scheme in SCHEMES:
                    file = folder / f"{section}-{width}-{scheme}.png"
                    take(browser, server.url, section, file, width=width, scheme=scheme)


if __name__ == "__main__":
    main()
