"""docs/findings.md and its programs: what is wrong upstream is still so."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.processes.redis import Redis
from sandbox.processes.servers import ROOT
from tests.test_copying import PAGE as COPYING
from tests.test_copying import anchor, files_of, sections

OWN_FILE = re.compile(r"(?:consumers|routing|sandbox|docs)/[\w/.]*\w")
LIBRARIES = {
    "channels": "Channels",
    "channels_redis": "channels_redis",
    "daphne": "Daphne",
    "uvicorn": "Uvicorn",
    "hypercorn": "Hypercorn",
    "granian": "Granian",
}
ELSEWHERE = (
    (
        "channels",
        "`AllowedHostsOriginValidator` refuses clients that send no Origin, as programs do.",
        "routing/origin.py",
        "authentication.md#is-the-origin-enough",
    ),
    (
        "channels_redis",
        "The core Redis layer can give one message to two workers.",
        "each worker first claims it in the cache, as consumers/bot/bot_async.py does",
        "bot.md#how-it-works",
    ),
    (
        "hypercorn",
        "Hypercorn keeps a client that answers no ping.",
        "nginx, which closes an idle connection",
        "servers.md#dead-clients",
    ),
    (
        "granian",
        "Granian sends no pings.",
        "nginx, which closes an idle connection",
        "servers.md#dead-clients",
    ),
)
"""Faults that another page shows: whose, the fault, what to do, and where."""
COPIED = re.compile(r"\[`.*?`\]\(\.\./(?P<file>[\w/]+\.py)\)")
"""A link to a file."""
TIMEOUT = 100.0


@dataclass(frozen=True)
class Finding:
    """What the docstring of a program says: the fault, and the fields below it."""

    program: Path
    title: str
    prints: str
    seen_with: str
    cause: str
    workaround: str
    reported: str

    @property
    def library(self) -> str:
        """The library whose fault it is: the longest that the program's name begins with."""
        return max(filter(self.program.stem.startswith, LIBRARIES), key=len)

    @property
    def needs_redis(self) -> bool:
        return self.library == "channels_redis"


def read(program: Path) -> Finding:
    docstring = re.match(r'r?"""(.*?)"""', program.read_text(), re.DOTALL)
    assert docstring, program
    title, _, text = docstring[1].partition("\n\n")
    fields = dict(
        re.findall(r"^([A-Z][a-z ]+): (.*?)(?=\n\S|\s*\Z)", text, re.DOTALL | re.MULTILINE)
    )
    words = {name: " ".join(value.split()) for name, value in fields.items()}
    return Finding(
        program,
        title.replace("``", "`"),
        words.pop("Prints"),
        words.pop("Seen with"),
        words.pop("Cause"),
        words.pop("Workaround"),
        words.pop("Reported", ""),
    )


ALL = [
    read(program)
    for program in sorted((ROOT / "docs" / "findings").glob("*.py"))
    if program.name != "serving.py"
]


SEARCH = (
    "faults and surprises, and what to do about each. Search this page for a setting, a method,\n"
    "an exception or a close code, such as `SECRET_KEY`, `disconnect`, `ValueError` or 1006:"
)


def as_faults() -> str:
    """One line for each fault: those of the programs, then those of other pages."""
    rows = [(one.library, one.title, one.workaround, f"findings/{one.program.name}") for one in ALL]
    lines = [
        f"{len(rows) + len(ELSEWHERE)} {SEARCH}",
        "",
        "| in | fault | what to do |",
        "|---|---|---|",
    ]
    for library, name in LIBRARIES.items():
        for _, fault, workaround, link in (row for row in (*rows, *ELSEWHERE) if row[0] == library):
            what_to_do = COPIED.sub(_to_its_section, _linked(workaround))
            lines.append(f"| {name} | [{fault.rstrip('.')}]({link}) | {what_to_do} |")
    return "\n".join(lines)


def _linked(workaround: str) -> str:
    return OWN_FILE.sub(r"[`\g<0>`](../\g<0>)", workaround).rstrip(".")


def _to_its_section(link: re.Match[str]) -> str:
    """Lead to what copies a file, where there is a section for it."""
    for title, patterns in sections(COPYING.read_text()):
        if Path(link["file"]) in files_of(*patterns.split()):
            return f"[`{link['file']}`](copying.md#{anchor(title)})"
    return link[0]


def as_findings() -> str:
    """The findings of each library."""
    sections = []
    for library, name in LIBRARIES.items():
        sections.append(f"\n## {name}\n")
        sections += [_as_item(one) for one in ALL if one.library == library]
    return "\n".join(sections)


def _as_item(one: Finding) -> str:
    name = one.program.name
    *_, repository, _, number = one.reported.split("/") if one.reported else ("", "", "")
    lines = (
        f"- **{one.title}** [`{name}`](findings/{name}) prints `{one.prints}`.",
        f"  Seen with {one.seen_with}.",
        f"  Why: {one.cause}",
        f"  What to do: {_linked(one.workaround)}.",
        f"  Reported: [{repository}#{number}]({one.reported})." if one.reported else "",
    )
    return "\n".join(filter(None, lines))


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.program.stem)
def test_names_files_that_are_there(one: Finding) -> None:
    """What a workaround names is a file or a folder of this project."""
    for file in OWN_FILE.findall(one.workaround):
        assert (ROOT / file).exists(), file


Printed = dict[Path, "Future[str]"]


def run(one: Finding, redis_url: str = "") -> str:
    done = subprocess.run(
        [sys.executable, one.program],
        env={**os.environ, "REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    return (done.stdout or done.stderr).strip()


@pytest.fixture(scope="module")
def printed() -> Iterator[Printed]:
    """What each program prints: most of the time they wait, so several run at once."""
    with ThreadPoolExecutor(4) as threads:
        yield {one.program: threads.submit(run, one) for one in ALL if not one.needs_redis}


@pytest.fixture(scope="module")
def printed_with_redis(redis: Redis) -> Iterator[Printed]:
    with ThreadPoolExecutor() as threads:
        yield {one.program: threads.submit(run, one, redis.url) for one in ALL if one.needs_redis}


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.program.stem)
def test_is_still_so(one: Finding, request: pytest.FixtureRequest) -> None:
    """A program prints what it printed when the fault was found."""
    printed: Printed = request.getfixturevalue(
        "printed_with_redis" if one.needs_redis else "printed"
    )
    assert printed[one.program].result(TIMEOUT) == one.prints, (
        f"Mended upstream, or changed: {one.title} If it is mended, remove {one.program.name}, and "
        f"what works around it: {one.workaround}"
    )


def test_a_program_says_what_is_not_installed() -> None:
    """Without its server, a program ends with a sentence that has the command of the page."""
    code = "import serving; serving.show_versions('channels', 'no-such-server')"
    page = ROOT / "docs" / "findings.md"
    folder = {"PYTHONPATH": str(page.with_suffix(""))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **folder},
        capture_output=True,
        text=True,
        check=False,
    )

    command = ".venv/bin/pip install -e '.[servers]'"
    assert (done.returncode, done.stderr) == (1, f"no-such-server is not installed: {command}\n")
    assert command in page.read_text()
