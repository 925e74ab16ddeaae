"""Every page is accessible, and fits a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

PAGES = [
    "/",
    "/matrix/",
    "/race/",
    "/stall/",
    "/source/",
    "/rooms/",
    "/scope/",
    "/login/",
    "/exhibits/echo/async-http/",
]


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
    """In a window of 375 pixels no page is wider, even with every detail open."""
    page.set_viewport_size({"width": 375, "height": 800})
    for path in PAGES:
        page.goto(path)
        page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
        assert (path, page.evaluate("document.documentElement.scrollWidth")) == (path, 375)


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
