"""Every page is accessible, fits a phone, and is there at once."""

import re
import shutil
import subprocess
from pathlib import Path
from urllib.request import urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from sandbox.processes.servers import Server
from tests.support.browser import COMMANDS

PAGES = [
    "/choose/",
    "/choose/?code=awaits&others=yes&listens=no&client=browser",
    "/",
    "/matrix/",
    "/race/",
    "/stall/",
    "/source/",
    "/rooms/",
    "/scope/",
    "/exhibits/echo/async-json-websocket/",
    "/docs/choosing/",
    "/login/",
]
LONGEST_PAGE = 200_000
"""Bytes of HTML: what is longer, a page loads once it is painted."""

LINKS_IN_FRAME = 11
"""Those that each page has: to skip, to the first page, the sections, the documentation."""
PROSE = """() => [...document.querySelectorAll("p, dd, li, td, label, .url")]
  .map((one) => one.closest("pre, .code") ? "" : one.innerText).join(" ")"""
CUT_OFF = """() => [...document.querySelectorAll("pre, .scroll, .both")]
  .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.innerText)"""
# A radio button that is drawn by the text next to it has its outline there.
OUTLINES = """() => {
  const reached = [...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex]",
  )].filter((one) => one.tabIndex >= 0 && !one.disabled && one.type !== "hidden")
    .filter((one) => one.checkVisibility());
  const isOutlined = (one) => {
    const { opacity, outlineStyle } = getComputedStyle(one);
    return opacity > 0 && outlineStyle !== "none";
  };
  const without = reached.filter((one) => {
    one.focus();
    return ![one, one.nextElementSibling].some((shown) => shown && isOutlined(shown));
  });
  return [reached.length, without.map((one) => one.outerHTML)];
}"""


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(page: Page, path: str) -> None:
    """In light and in dark, axe-core finds no violation."""
    page.goto(path)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.emulate_media(color_scheme="dark")
    results = Axe().run(page, options={"runOnly": ["color-contrast"]})
    assert results.violations_count == 0, results.generate_report()


def test_a_phone_needs_no_sideways_scrolling(page: Page) -> None:
    """In a window of 320 pixels no page is wider, even with every detail open."""
    page.set_viewport_size({"width": 320, "height": 800})
    for path in PAGES:
        page.goto(path)
        page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
        assert (path, page.evaluate("document.documentElement.scrollWidth")) == (path, 320)


def test_paper_shows_what_a_screen_scrolls(page: Page) -> None:
    """On paper nothing is cut off: code breaks its lines, and tables fit."""
    page = page.context.new_page()  # it is closed with its medium
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 without its margins
    page.emulate_media(media="print")
    for path in ("/", "/source/", "/stall/", "/docs/servers/"):
        page.goto(path)
        page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
        assert (path, page.evaluate(CUT_OFF)) == (path, [])


def test_no_page_shows_markdown(page: Page) -> None:
    """A name that is between backticks in the data is code on the page."""
    for path in PAGES:
        page.goto(path)
        page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
        assert (path, page.evaluate(PROSE).count("`")) == (path, 0)


def test_the_first_tab_stop_skips_the_navigation(page: Page) -> None:
    """The first Tab focuses a visible link that skips the navigation."""
    page.goto("/source/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Left")).to_be_focused()


def test_the_keyboard_shows_where_it_is(page: Page) -> None:
    """Whatever the keyboard can reach has an outline while it has the focus."""
    for path in PAGES:
        page.goto(path)
        page.keyboard.press("Tab")  # from now on the focus is the keyboard's
        reached, without = page.evaluate(OUTLINES)
        assert reached > LINKS_IN_FRAME
        assert (path, without) == (path, [])


@pytest.mark.parametrize("path", PAGES[:-2])
def test_each_section_says_what_to_look_at(site: Server, path: str) -> None:
    """Below its title each section has one sentence that says what to look at."""
    with urlopen(site.url + path) as response:  # noqa: S310 # a server of this test
        (sentence,) = re.findall(r'<p class="look">(.*)</p>', response.read().decode())
    assert re.fullmatch(r"Look at .*[^.]\.", sentence)
    assert ". " not in sentence


@pytest.mark.parametrize("path", PAGES)
def test_nothing_delays_the_first_paint_but_styles(page: Page, path: str) -> None:
    """A page is short, only its style sheets are loaded before it is painted, all of this site."""
    page.goto(path, wait_until="load")
    size = page.evaluate("performance.getEntriesByType('navigation')[0].decodedBodySize")
    assert size < LONGEST_PAGE
    resources = page.evaluate("performance.getEntriesByType('resource')")
    blocking = [one["name"] for one in resources if one["renderBlockingStatus"] == "blocking"]
    assert 1 <= len(blocking) <= 2
    assert all(url.endswith(".css") for url in blocking)
    assert all(one["name"].startswith(page.evaluate("origin")) for one in resources)


@pytest.mark.parametrize("path", ["/", "/rooms/", "/scope/"])
def test_a_picture_of_a_page_does_not_wait(
    browser: Browser, site: Server, tmp_path: Path, path: str
) -> None:
    """Chromium's own command takes a picture of a page, with no event stream to wait for."""
    found = next(filter(None, map(shutil.which, COMMANDS)), browser.browser_type.executable_path)
    picture = tmp_path / "page.png"
    command = [found, "--headless", "--no-sandbox", f"--user-data-dir={tmp_path}"]
    command += ["--virtual-time-budget=2000", f"--screenshot={picture}", site.url + path]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert picture.stat().st_size > 0
