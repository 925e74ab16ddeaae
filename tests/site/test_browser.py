"""Which Chromium the tests start, and what they do without one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes.servers import ROOT
from tests.support.browser import COMMANDS

START = """
from tests.support.browser import chromium

with chromium() as browser:
    print(browser.version)
"""
A_TEST = "tests/site/test_everywhere.py::test_the_first_tab_stop_skips_the_navigation"


@pytest.fixture
def without_chromium(tmp_path: Path) -> dict[str, str]:
    """An environment in which neither PATH nor Playwright has a browser."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return environment | {"PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}


def run(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_without_chromium_the_tests_are_skipped(without_chromium: dict[str, str]) -> None:
    """Where no Chromium is installed, a test is skipped with the reason; in CI it fails."""
    pytest_one = ("-m", "pytest", "-n0", "-p", "no:cacheprovider", A_TEST)
    skipped = run(*pytest_one, env=without_chromium)
    failed = run(*pytest_one, env={**without_chromium, "CI": "true"})

    for done, status, summary in ((skipped, 0, "1 skipped"), (failed, 1, "1 error")):
        assert (done.returncode, summary in done.stdout) == (status, True)
        assert "apt-get install chromium" in done.stdout


def test_the_chromium_of_playwright_is_enough(without_chromium: dict[str, str]) -> None:
    """Where PATH has no Chromium, the one that Playwright has installed is started."""
    found = next(filter(None, map(shutil.which, COMMANDS)), None)
    if found is None:
        pytest.skip("No Chromium on PATH that could be put in the place of Playwright's own.")
    missing = re.search(r"doesn't exist at (\S+)", run("-c", START, env=without_chromium).stderr)
    assert missing is not None
    own = Path(missing[1])
    own.parent.mkdir(parents=True)
    own.write_text(f'#!/bin/sh\nPATH={os.environ["PATH"]}\nexec {found} "$@"\n')
    own.chmod(0o755)
    started = run("-c", START, env=without_chromium)

    assert re.match(r"\d+\.", started.stdout), started.stderr
