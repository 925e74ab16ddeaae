"""Takes the README's screenshot, or, given a folder, one of every section in every guise.

    .venv/bin/python -m tests.page.screenshots [FOLDER]

It needs a Chromium on PATH and a migrated database: ``make serve`` makes one.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from sandbox.processes.servers import ROOT, serve
from tests.page.conftest import ARGUMENTS, CHROMIUM

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def compared(page: Page) -> None:
    """Ask twice: the first round trips are those of a server that has just started."""
    verdict = page.locator("#verdict")
    expect(verdict).not_to_be_empty()
    page.wait_for_timeout(500)
    verdict.evaluate("verdict => (verdict.textContent = '')")
    page.get_by_role("button", name="Send to all").click()
    expect(verdict).not_to_be_empty()


def dead(page: Page) -> None:
    compared(page)
    page.get_by_role("button", name="No message").click()
    expect(page.locator("#verdict")).to_have_text(re.compile("^None"))


def raced(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    page.wait_for_timeout(5000)


def stalled(page: Page) -> None:
    page.wait_for_timeout(3500)
    page.get_by_role("button", name="Block").click()
    expect(page.get_by_role("status")).to_contain_text("stood still")
    page.wait_for_timeout(500)


def talked(page: Page) -> None:
    expect(page.locator('[data-state="open"]')).to_have_count(5)
    page.get_by_role("button", name="Say").click()
    expect(page.get_by_role("status")).to_contain_text("heard by")


def settled(page: Page) -> None:
    page.wait_for_timeout(500)


SECTIONS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "compare": ("/", compared),
    "tutorial": ("/?edition=tutorial", dead),
    "race": ("/race/", raced),
    "stall": ("/stall/", stalled),
    "source": ("/source/", settled),
    "rooms": ("/rooms/", talked),
    "scope": ("/scope/", settled),
    "login": ("/login/", settled),
    "exhibit": ("/exhibits/echo/json-websocket/", settled),
    "speaks-websocket": ("/echo/websocket/", settled),
}


def shoot(  # noqa: PLR0913 # each is a guise
    browser: Browser,
    url: str,
    section: str,
    file: Path,
    *,
    width: int = 1280,
    scheme: Literal["light", "dark"] = "light",
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
    with (
        serve() as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as browser,
    ):
        if len(sys.argv) == 1:
            shoot(browser, server.url, "compare", ROOT / "docs" / "page.png", height=975)
            return
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        for section in SECTIONS:
            for width in (1280, 375):
                for scheme in SCHEMES:
                    file = folder / f"{section}-{width}-{scheme}.png"
                    shoot(browser, server.url, section, file, width=width, scheme=scheme)


if __name__ == "__main__":
    main()
