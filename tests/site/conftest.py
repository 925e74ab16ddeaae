"""A browser on the site, which a real Daphne serves."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sandbox.processes.servers import ROOT, Server, serve
from tests.support.browser import BrowserErrors, NoChromiumError, chromium
from tests.support.missing import skip_outside_ci

SECONDS = 20
"""How long the page may take until it shows what a test waits for, on a busy machine."""

expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings with a migrated database, in which ada has the password enigma."""
    environment = {
        "DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('site') / 'db.sqlite3'}",
        "DJANGO_SUPERUSER_USERNAME": "ada",
        "DJANGO_SUPERUSER_PASSWORD": "enigma",
        "DJANGO_SUPERUSER_EMAIL": "ada@example.org",
    }
    for command in (["migrate", "--verbosity=0"], ["createsuperuser", "--noinput"]):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={**os.environ, **environment},
            check=True,
            capture_output=True,
        )
    return environment


@pytest.fixture(scope="session")
def site(environment: dict[str, str]) -> Iterator[Server]:
    """A Daphne whose database is migrated."""
    with serve("daphne", environment=environment) as server:
        yield server


# Not for the whole session: while Playwright's loop runs, no other test can run one of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium. Where none can be started, the tests are skipped; in CI they fail."""
    try:
        with chromium() as browser:
            yield browser
    except NoChromiumError as error:
        skip_outside_ci(str(error))


@pytest.fixture
def browser_errors() -> BrowserErrors:
    """Where a test says which errors of the browser it expects."""
    return BrowserErrors()


# A context is a browser of its own, without cookies. Making one takes longer than most tests, and
# so does a tab, which is a process.
@pytest.fixture(scope="module")
def context(browser: Browser, site: Server) -> Iterator[BrowserContext]:
    """What the tabs of a module's tests share."""
    with browser.new_context(base_url=site.url) as context:
        context.set_default_timeout(SECONDS * 1000)
        yield context


@pytest.fixture
def page(context: BrowserContext, browser_errors: BrowserErrors) -> Iterator[Page]:
    """A tab on the site. An error that the test does not expect is a failure."""
    with browser_errors.watch(context):
        page = context.pages[0] if context.pages else context.new_page()
        page.set_viewport_size({"width": 1280, "height": 720})
        page.emulate_media(color_scheme="light")
        yield page
        for tab in context.pages[1:]:
            tab.close()
        page.goto("about:blank")
        context.clear_cookies()
    assert browser_errors.unexpected() == []
