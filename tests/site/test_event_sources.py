"""What docs/rooms.md says about browsers and event streams."""

from playwright.sync_api import Page

MOST = 6
OPEN = f"""() => {{
    const sources = Array.from({{length: {MOST + 1}}}, (_, number) =>
        new EventSource(`/rooms/browser-${{number}}/async-http/`));
    window.opened = () => sources.filter(source => source.readyState === EventSource.OPEN).length;
    window.end = () => sources.forEach(source => source.close());
}}"""


def test_a_browser_opens_six_event_streams_to_a_site(page: Page) -> None:
    """Over HTTP/1.1 a seventh event stream waits until another one has ended."""
    page.goto("/exhibits/echo/async-http/")
    page.evaluate(OPEN)
    # The page allows no eval, which wait_for_function uses when it asks again.
    while page.evaluate("opened()") < MOST:
        page.wait_for_timeout(50)
    page.wait_for_timeout(500)
    opened = page.evaluate("opened()")
    page.evaluate("end()")

    assert opened == MOST
