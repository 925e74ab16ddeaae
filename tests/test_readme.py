"""The README and docs/ are held to the project: what they run is run, what they name is there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, load_command_class

from sandbox.bench.output.json import from_json
from sandbox.choices import RESULTS
from sandbox.processes.migration import migrate
from sandbox.processes.servers import Server, serve

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]
each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT))
)
LONGEST_README = 160
IN_A_CONSOLE = re.compile(r"^(?: *\$ | {4,}(?=\.venv))((?:.*\\\n)*.*)$", re.MULTILINE)
MANAGE = re.compile(r"(?:^| )manage\.py (compare|bench|checkup|mqtt|runworker) ?(.*)")
EXTRAS = {
    "autobahn": r"compare mirror",
    "bench": r"manage\.py bench",
    "peers": r"--peers",
    "servers": r"--server (uvicorn|hypercorn|granian)",
}
"""What a command has that needs an extra."""
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def _read(path: str) -> str:
    return (ROOT / path).read_text()


def _marked(language: str) -> list[str]:
    pattern = re.compile(rf"<!-- run -->\n```{language}\n(.*?)```", re.DOTALL)
    return [block for document in DOCUMENTS for block in pattern.findall(document.read_text())]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What ``make serve`` starts, on a free port: its database is migrated."""
    url = f"sqlite:///{tmp_path_factory.mktemp('site') / 'db.sqlite3'}"
    migrate(url)
    with serve("daphne", environment={"DATABASE_URL": url}) as server:
        yield server


def test_has_commands_to_run() -> None:
    """The marks of what is run have not got lost."""
    assert len(_marked("console")) >= 1
    assert len(_marked("python")) >= 1


@pytest.mark.parametrize("block", _marked("console"))
def test_commands_print_what_it_says(block: str, site: Server) -> None:
    """Each command after ``$`` prints the lines that follow it."""
    block = block.replace("http://127.0.0.1:8000", site.url)
    block = block.replace(".venv/bin/python", sys.executable)
    for command, output in COMMAND.findall(block):
        run = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
        )

        assert run.stdout.strip() == output.strip()


@pytest.mark.parametrize("block", _marked("python"))
def test_programs_print_what_their_comments_say(block: str, site: Server) -> None:
    """Each program runs, and prints what the comment behind ``print`` says."""
    program = block.replace("127.0.0.1:8000", f"127.0.0.1:{site.port}")
    said = set(re.findall(r"print\(.*\)  # (.*)", program))
    for _ in range(3):  # one of them is about time, and the machine may stop for a moment
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        if set(run.stdout.splitlines()) == said:
            break

    assert set(run.stdout.splitlines()) == said


def _commands(path: Path) -> list[str]:
    """Find what a page lets its readers type, without comments."""
    return [
        shlex.join(shlex.split(command.replace("\\\n", ""), comments=True))
        for command in IN_A_CONSOLE.findall(path.read_text())
    ]


@pytest.mark.parametrize(
    ("name", "arguments"),
    dict.fromkeys(
        found.groups()
        for document in (*DOCUMENTS, ROOT / "CONTRIBUTING.md")
        for command in _commands(document)
        if (found := MANAGE.search(command)) and found[2] != "mine"  # the recipe makes that
    ),
)
def test_commands_are_accepted(name: str, arguments: str) -> None:
    """The options, exhibits, servers and probes of each command on a page exist."""
    given = [word for word in shlex.split(arguments) if word != "&"]
    load_command_class("sandbox", name).create_parser("manage.py", name).parse_args(given)
    if name in ("compare", "bench"):  # these look at their arguments before they look at a file
        with pytest.raises(CommandError, match="/no/such/folder/x cannot be written"):
            call_command(name, *given, "--json", "/no/such/folder/x")


@each_document
def test_names_the_extras_that_its_commands_need(document: Path) -> None:
    """A page with a command that needs an extra also has the command that installs it."""
    commands = "\n".join(_commands(document))
    named = set(re.findall(r"[\w-]+", "".join(re.findall(r"install .*\[(.*?)\]", commands))))

    assert {extra for extra, needs in EXTRAS.items() if re.search(needs, commands)} <= named


def test_names_every_setting() -> None:
    """Each setting read from the environment is in the table of settings."""
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', _read("sandbox/settings.py")))
    table = _read("docs/settings.md")

    assert read == set(re.findall(r"^\| `([A-Z_]+)` \|", table, flags=re.MULTILINE))


@each_document
def test_names_only_files_that_are_there(document: Path) -> None:
    """Every link to a file of the project has its file, and every anchor its heading."""
    links = re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", document.read_text())
    for target, anchor in links:
        path = document.parent / target if target else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text()), f"{target}#{anchor}"


@each_document
def test_headings_make_an_outline(document: Path) -> None:
    """No heading is more than one level below the one before it, and no two are the same."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^(#+) (.*)$", text, flags=re.MULTILINE)
    levels = [0, *(len(marks) for marks, _ in headings)]
    assert all(below <= above + 1 for above, below in pairwise(levels))
    assert len({title for _, title in headings}) == len(headings)


def test_the_readme_leads_to_every_document() -> None:
    """Each page of docs/ is one click away from the README."""
    links = set(re.findall(r"\]\((docs/\w+\.md)", README.read_text()))

    assert links >= {str(path.relative_to(ROOT)) for path in DOCUMENTS[1:]}


def test_each_question_is_answered_by_a_table_or_an_output() -> None:
    """Where a question of the README leads, there is a table or a block of code."""
    questions = _section(README.read_text(), "questions")
    links = re.findall(r"\]\((docs/\w+\.md)(?:#([^)]*))?\)", questions)
    assert links

    for path, anchor in links:
        section = _section(_read(path), anchor) if anchor else _read(path)
        assert re.search(r"^(\||```|    \$ )", section, flags=re.MULTILINE), f"{path}#{anchor}"


def _section(markdown: str, anchor: str) -> str:
    """Return what is below a heading, up to the next one of its level."""
    sections = re.split(r"^(?=## )", markdown, flags=re.MULTILINE)
    return next(one for one in sections if anchor in anchors(one))


def test_the_price_of_isolation_is_one() -> None:
    """What docs/choosing.md says of isolation is what docs/database.md and the figures say."""
    price = _section(_read("docs/choosing.md"), "what-isolation-costs").replace("\n  ", " ")
    measured = _section(_read("docs/database.md"), "measured")
    sync, _, _, asynchronous = (
        [row.split(" | ")[3] for row in measured.splitlines() if row.startswith(f"| {name}")]
        for name in ("sync, Channels", "sync, a", "async with", "asynchronous ORM, Channels")
    )
    isolated = re.findall(r"^\| \*\*.*? \|.*? \|.*? \| ([\d,]+) \|", measured, re.MULTILINE)
    idle = {
        (row.server, row.exhibit): row.kib_each.median
        for row in from_json((RESULTS / "figures.json").read_bytes()).results["connections"]
        if not row.compression
    }
    more = [
        idle[server, f"echo/{slug}"] - idle[server, f"stock/{slug}"]
        for server in ("daphne", "uvicorn")
        for slug in ("websocket", "async-websocket")
    ]

    assert f"{isolated[0]} replies a second instead of {sync[0]} from a sync consumer" in price
    assert f"{isolated[-1]} instead of {asynchronous[0]} with the asynchronous ORM" in price
    assert f"{min(more):.0f} to {max(more):.0f} KiB more" in price


def test_the_readme_is_one_page() -> None:
    """The README has at most 160 lines: what needs more has a page of its own."""
    assert len(README.read_text().splitlines()) <= LONGEST_README


def anchors(markdown: str) -> set[str]:
    """Find what GitHub makes of each heading."""
    headings = re.findall(r"^#+ (.*)$", markdown, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
