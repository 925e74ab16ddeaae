"""The matrix: what differs first, filters and cells in the address, in the site and in a report."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from consumers.catalogue import exhibits
from sandbox.compare.against import against, read
from sandbox.compare.engine import questions
from sandbox.compare.output.html import as_html
from sandbox.compare.output.json import as_json
from sandbox.compare.output.matrix import committed
from sandbox.compare.report import Report
from sandbox.compare.run import run, started
from sandbox.processes.servers import Server
from tests.compare.test_against import changed_by_hand
from tests.support.browser import BrowserErrors

CELL = "cell=close-answer&of=echo%2Fwebsocket&on=uvicorn"


def test_it_opens_with_what_differs(page: Page) -> None:
    """At first the probes are shown in which an exhibit of echo differs, and no others."""
    page.goto("/matrix/")
    rows = page.locator(".cells tbody tr:has(td)")
    expect(rows.first).to_be_visible()  # the cells are loaded after the page
    expect(page.locator("#found")).to_contain_text(
        f"{rows.count()} of {len(committed()['probes'])}"
    )
    for row in rows.all():
        assert row.locator(".sign.declared, .sign.differs").count()
    expect(page.locator(".cells .sign.declared").first).to_be_visible()


def test_one_cell_is_counted_in_the_singular(page: Page) -> None:
    """A filter that leaves one cell says "1 cell"."""
    page.goto("/matrix/#edition=worker&server=uvicorn&word=long-ping")
    expect(page.locator("#found")).to_have_text(re.compile(r"^1 of \d+ probes, 1 cell\."))


def test_filters_are_in_the_address(page: Page) -> None:
    """Edition, server, group and word choose what is shown, and a link shows the same."""
    page.goto("/matrix/")
    page.get_by_label("Edition").select_option("tutorial")
    page.get_by_label("Server").select_option("hypercorn")
    page.get_by_label("Group").select_option("Numbers")
    page.get_by_label("Word").fill("json.parse")  # in a note
    shown = page.locator(".cells tbody th[scope=row]")
    expect(shown).to_have_text(
        [re.compile("^over-double"), re.compile("^nan"), re.compile("^infin")]
    )
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(shown).to_have_count(3)
    expect(page.locator(".cells thead th")).to_have_text(re.compile("^hypercorn"))
    expect(page.locator(".notes > li:visible")).to_have_text(
        re.compile("^json reads and writes NaN")
    )
    expect(page.get_by_label("Word")).to_have_value("json.parse")
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_label("Edition")).to_have_value("echo")


def test_other_versions_are_shown_where_they_change_something(page: Page) -> None:
    """The overview counts what other versions change, and leads to these probes alone."""
    page.goto("/matrix/")
    heads = page.locator(".cells thead th")
    expect(heads).to_have_count(4)  # the servers, as they are here
    link = page.get_by_label("mirror with channels==4.1.*")
    changed = int(link.inner_text())
    link.click()
    expect(heads).to_have_text(
        [
            re.compile(f"^{server}{version}")
            for server in ("daphne", "uvicorn", "hypercorn", "granian")
            for version in ("", r"channels==4\.1\.\*")
        ]
    )
    shown = page.locator(".cells tbody th[scope=row]")
    expect(shown).to_have_count(changed)
    expect(shown.filter(has_text="binary-back")).to_have_count(1)  # lost by Channels on Hypercorn
    page.locator("select[name=versions]").select_option("channels==4.2.*")
    expect(page.locator("#found")).to_have_text(
        "No probe shows something else with other versions here."
    )


def test_a_cell_has_an_address(page: Page) -> None:
    """The address of a cell opens what was seen, the reason, the frames and the command."""
    page.goto(f"/matrix/#{CELL}")
    cell = page.get_by_role("dialog")
    for part, text in (
        ("probe", "close-answer"),
        ("where", "echo/websocket on uvicorn"),
        ("contract", "closed 1000"),
        ("seen", "closed 4000"),
        ("because", re.compile("^Daphne answers every close with 1000")),
        (
            "command",
            re.compile("manage.py compare echo/websocket --server uvicorn --probe close-answer$"),
        ),
    ):
        expect(cell.locator(f"#cell-{part}")).to_have_text(text)
    expect(cell.locator("#cell-log tbody tr")).to_have_text(
        [
            re.compile("→ handshake.*GET /echo/websocket/ HTTP/1.1"),
            re.compile("← handshake.*101 Switching Protocols"),
            re.compile("→ close.*4000"),
            re.compile("← close.*4000"),
        ]
    )
    assert Axe().run(page).violations_count == 0


def test_the_keyboard_goes_from_cell_to_cell(page: Page) -> None:
    """All cells are one Tab stop; arrows move, Enter opens, Escape leads back."""
    page.goto("/matrix/")
    expect(page.locator('.cells a[tabindex="0"]')).to_have_count(1)
    page.get_by_role("button", name="Reset").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    cell = page.get_by_role("dialog")
    expect(cell.locator("#cell-where")).to_have_text(re.compile(r"^echo/json-websocket on daphne$"))
    page.keyboard.press("Escape")
    expect(cell).to_be_hidden()
    expect(page.locator("a.sign:focus")).to_have_attribute(
        "aria-label", re.compile("echo/json-websocket on daphne")
    )
    assert "cell=" not in page.url


def test_a_wrong_address_gets_a_sentence(page: Page) -> None:
    """What an address names and is not there is said, and the rest of it is shown."""
    page.goto("/matrix/#edition=ecko&server=granian&cell=nil&of=echo/websocket&on=daphne")
    expect(page.locator("#found")).to_contain_text("There is no edition “ecko” here.")
    expect(page.locator("#found")).to_contain_text(
        "There is no cell “nil” of “echo/websocket” on “daphne” here."
    )
    expect(page.locator(".cells thead th")).to_have_text(re.compile("^granian"))


def test_everything_fits_a_phone(page: Page) -> None:
    """With every probe of every edition, 400 pixels are enough; the page is as wide with a cell."""
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto("/matrix/#show=all&edition=all")
    expect(page.locator(".edition")).to_have_count(len(committed()["editions"]))
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    page.goto(f"/matrix/#{CELL}")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_cells_that_cannot_be_loaded_are_missed_in_a_sentence(
    page: Page, browser_errors: BrowserErrors
) -> None:
    """If the cells do not come, the page says so; overview and notes are there all the same."""
    browser_errors.expect("result.json", "JSON")
    page.route("**/result.json", lambda route: route.fulfill(status=503, body="busy"))
    page.goto("/matrix/")
    expect(page.locator("#found")).to_have_text(
        "The cells could not be loaded. Load the page again."
    )
    expect(page.locator(".overview tbody tr")).to_have_count(len(committed()["editions"]))
    expect(page.locator(".notes li").first).to_be_visible()
    page.unroute("**/result.json")


def test_without_javascript_the_differences_can_be_read(browser: Browser, site: Server) -> None:
    """A browser without scripts shows how many differ where, and each note with its probes."""
    with browser.new_context(base_url=site.url, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/matrix/")
        expect(page.locator(".overview tbody tr")).to_have_count(len(committed()["editions"]))
        expect(page.locator(".notes li")).to_have_count(len(committed()["notes"]))
        page.locator(".notes summary").first.click()
        expect(page.locator(".notes li").first).to_contain_text("Seen: ")
        expect(page.get_by_text("need JavaScript")).to_be_visible()


@pytest.fixture(scope="module")
def report() -> Report:
    """A short run over two editions."""
    asked = questions([*exhibits("echo"), *exhibits("tutorial")], ["null", "nan", "close-1000"])
    with ThreadPoolExecutor(1) as thread:  # this one has Playwright's loop
        return thread.submit(run, [started("daphne")], asked).result()


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        yield context.new_page()


def test_a_report_is_the_same_page(tab: Page, report: Report, tmp_path: Path) -> None:
    """The file of --html has filters and cells with addresses as the site has, from a disk."""
    file = tmp_path / "report.html"
    file.write_text(as_html(report))
    tab.goto(f"{file.as_uri()}#edition=tutorial")
    expect(tab.locator(".cells tbody th[scope=row]")).to_have_text(re.compile("^nan"))
    tab.locator(".sign.declared").nth(1).click()
    expect(tab.locator("#cell-where")).to_have_text(re.compile(r"^tutorial/\S+ on daphne$"))
    expect(tab.locator("#cell-log tbody tr").first).to_contain_text("handshake")
    assert "cell=nan" in tab.url
    assert tab.evaluate("performance.getEntriesByType('resource').length") == 0
    assert Axe().run(tab).violations_count == 0


def test_a_report_shows_what_changed(tab: Page, report: Report, tmp_path: Path) -> None:
    """Next to an earlier result, changes are listed, and only their cells can be shown."""
    changes = against(report, read(changed_by_hand(as_json(report), tmp_path)))
    file = tmp_path / "report.html"
    file.write_text(as_html(report.with_changes(changes)))
    tab.goto(file.as_uri())
    expect(tab.locator(".changes tbody tr")).to_have_count(3)
    tab.get_by_role("link", name="Show the cells").click()
    expect(tab.locator(".sign.changed")).to_have_count(2)
    assert Axe().run(tab).violations_count == 0
