"""A fresh Django project, with the files that a page of docs/ shows."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sandbox.processes.servers import ROOT, Server, free_port, listening

FILE = re.compile(
    r"<!-- (write|append): ([^\s,]+)(?:, (passes|fails with: .*?))? -->\n```\w+\n(.*?)```",
    re.DOTALL,
)


class Recipe(NamedTuple):
    """A project that was made as a page says."""

    folder: Path
    outcomes: dict[str, str]
    """What the page says of the tests in a file: "passes" or "fails with: WORDS | WORDS"."""

    def run(self, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a Python program in the project's folder, such as ``-m pytest``."""
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env={**fresh_environment(), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    @contextmanager
    def serving(self, **environment: str) -> Iterator[Server]:
        """Run the project's application on Daphne until the block ends."""
        port = free_port()
        command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port)]
        with listening(
            "daphne",
            [*command, "mysite.asgi:application"],
            port,
            f"HEAD / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode(),
            environment={**fresh_environment(), **environment},
            without=("DJANGO_SETTINGS_MODULE",),
            folder=self.folder,
        ) as server:
            yield server


def fresh_environment() -> dict[str, str]:
    """Return this process's variables without what is for the tests of this project."""
    ours = ("DJANGO_", "PYTEST_", "HYPOTHESIS_", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def follow(page: str, folder: Path) -> Recipe:
    """Make a project in an empty folder, with the files of ``docs/<page>``."""
    subprocess.run(
        [sys.executable, "-m", "django", "startproject", "mysite", "."], cwd=folder, check=True
    )
    outcomes = {}
    for mode, name, outcome, text in FILE.findall((ROOT / "docs" / page).read_text()):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a" if mode == "append" else "w") as opened:
            opened.write(text)
        if outcome:
            outcomes[name] = outcome
    return Recipe(folder, outcomes)
