"""A headless Chromium in front of a real Daphne."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    WebError,
    expect,
    sync_playwright,
)

from sandbox.processes.servers import ROOT, Server, serve

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# Every name is this machine: the tests need no network, and have a page from elsewhere.
ARGUMENTS = ["--host-resolver-rules=MAP * 127.0.0.1"]


SECONDS = 20
"""Until the page has done what a test waits for: long, for a slow day is no failure."""

expect.set_options(timeout=SECONDS * 1000)


@dataclass
class Trouble:
    """What the browser complained about, and what a test expects it to complain about."""

    seen: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Parts of complaints that are no surprise."""

    def expect(self, *parts: str) -> None:
        self.expected.extend(parts)

    def surprises(self) -> list[str]:
        return [told for told in self.seen if not any(part in told for part in self.expected)]

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.seen.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def uncaught(self, error: WebError) -> None:
        self.seen.append(f"uncaught: {error.error}")

    def failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # by leaving the page that made it
            self.seen.append(f"failed request: {request.url} {request.failure}")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings with a migrated database, in which ada has the password enigma."""
    environment = {
        "DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('page') / 'db.sqlite3'}",
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
    """The Chromium on PATH, else Playwright's: without one, tests are skipped, in CI they fail."""
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        except Error as error:
            if CHROMIUM or os.environ.get("CI", "").lower() in ("1", "true"):
                raise
            reason = error.message.partition("\n")[0]
            pytest.skip(f"No Chromium (apt-get install chromium brings one): {reason}")
        with browser:
            yield browser


@pytest.fixture
def trouble() -> Trouble:
    """Where a test says which complaints of the browser it expects."""
    return Trouble()


# A context is a browser of its own, without cookies. Making one takes longer than most tests, and
# so does a tab, which is a process.
@pytest.fixture(scope="module")
def context(browser: Browser, site: Server) -> Iterator[BrowserContext]:
    """What the tabs of a module's tests share."""
    with browser.new_context(base_url=site.url) as context:
        context.set_default_timeout(SECONDS * 1000)
        yield context


@pytest.fixture
def page(context: BrowserContext, trouble: Trouble) -> Iterator[Page]:
    """A tab on the site. Any console error or failed request that was not expected is a failure."""
    listeners: dict[Any, Any] = {
        "console": trouble.console,
        "requestfailed": trouble.failed,
        "weberror": trouble.uncaught,
    }
    for event, listener in listeners.items():
        context.on(event, listener)
    page = context.pages[0] if context.pages else context.new_page()
    page.set_viewport_size({"width": 1280, "height": 720})
    page.emulate_media(color_scheme="light")
    yield page
    for tab in context.pages[1:]:
        tab.close()
    page.goto("about:blank")
    context.clear_cookies()
    for event, listener in listeners.items():
        context.remove_listener(event, listener)
    assert trouble.surprises() == []
