"""A Chromium without a window, and the errors that it reports."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Request,
    WebError,
    sync_playwright,
)

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
# Every host name leads to this machine: the tests need no network, and have a foreign origin.
ARGUMENTS = ["--host-resolver-rules=MAP * 127.0.0.1"]


class NoChromiumError(Exception):
    """No Chromium could be started; the message says why."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the Chromium on PATH, or else the one that Playwright has installed.

    Raises NoChromiumError.
    """
    on_path = next(filter(None, map(shutil.which, COMMANDS)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=on_path, args=ARGUMENTS)
        except Error as error:
            raise NoChromiumError(
                "No Chromium can be started. Install one with `apt-get install chromium` or "
                f"`playwright install chromium`. The reason: {error.message.splitlines()[0]}"
            ) from None
        with browser:
            yield browser


@dataclass
class BrowserErrors:
    """The console's errors and warnings, uncaught exceptions and failed requests of one test."""

    seen: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Parts of the errors that the test is to cause."""

    def expect(self, *parts: str) -> None:
        self.expected.extend(parts)

    def unexpected(self) -> list[str]:
        return [error for error in self.seen if not any(part in error for part in self.expected)]

    @contextmanager
    def watch(self, context: BrowserContext) -> Iterator[None]:
        """Collect what the tabs of ``context`` report."""
        listeners = (
            ("console", self._console),
            ("weberror", self._uncaught),
            ("requestfailed", self._failed),
        )
        for event, listener in listeners:
            context.on(event, listener)  # type: ignore[call-overload] # one overload for each event
        yield
        for event, listener in listeners:
            context.remove_listener(event, listener)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.seen.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def _uncaught(self, error: WebError) -> None:
        self.seen.append(f"uncaught: {error.error}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page that made it was left
            self.seen.append(f"failed request: {request.url} {request.failure}")
