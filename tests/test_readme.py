"""The README and docs/ are held to the project: what they show is generated, what they run is run.

``python -m tests.test_readme`` writes the generated parts again.
"""

import difflib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from consumers.catalogue import EDITIONS, exhibits
from sandbox.bench.conditions import figures
from sandbox.processes.servers import Server

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
BLOCK = r"(?:\n```[a-z]+\n.*?```)?"
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def render(text: str) -> str:
    """Return the README with every generated part as it should be."""
    text = re.sub(
        rf"<!-- file: (\S+) -->{BLOCK}",
        lambda m: _fenced(m[0], "python", _read(m[1])),
        text,
        flags=re.DOTALL,
    )
    text = re.sub(
        rf"<!-- diff: (\S+) (\S+) -->{BLOCK}",
        lambda m: _fenced(m[0], "diff", _diff(m[1], m[2])),
        text,
        flags=re.DOTALL,
    )
    text = re.sub(
        r"<!-- conditions -->.*<!-- /conditions -->",
        lambda _: f"<!-- conditions -->\n{_figures()}\n<!-- /conditions -->",
        text,
        flags=re.DOTALL,
    )
    return re.sub(
        r"<!-- editions -->.*<!-- /editions -->",
        lambda _: f"<!-- editions -->\n{_editions()}\n<!-- /editions -->",
        text,
        flags=re.DOTALL,
    )


def _fenced(block: str, language: str, content: str) -> str:
    marker = block.partition("\n")[0]
    return f"{marker}\n```{language}\n{content}```"


def _read(path: str) -> str:
    return (ROOT / path).read_text()


def _diff(old: str, new: str) -> str:
    lines = difflib.unified_diff(
        _read(old).splitlines(keepends=True), _read(new).splitlines(keepends=True), n=0
    )
    return "".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _editions() -> str:
    rows = [
        f"| `{edition.name}` | {edition.sentence} | "
        + ", ".join(f"`{e.topic or e.url}`" for e in exhibits(edition.name))
        + " |"
        for edition in EDITIONS.values()
    ]
    return "\n".join(["| edition | what it shows | URLs, or topics |", "|---|---|---|", *rows])


def _figures() -> str:
    rows = [
        f"| `{name}` | {figure.words} | `{experiment}` |" for experiment, name, figure in figures()
    ]
    return "\n".join(["| figure | what it is | experiment |", "|---|---|---|", *rows])


def _marked(language: str) -> list[str]:
    pattern = re.compile(rf"<!-- run -->\n```{language}\n(.*?)```", re.DOTALL)
    return [block for document in DOCUMENTS for block in pattern.findall(document.read_text())]


@each_document
def test_shows_the_files_as_they_are(document: Path) -> None:
    """Every consumer, diff and table in a document is the one in the project."""
    assert render(document.read_text()) == document.read_text()


def test_has_commands_to_run() -> None:
    """The marks of what is run have not got lost."""
    assert len(_marked("console")) >= 1
    assert len(_marked("python")) >= 1


@pytest.mark.parametrize("block", _marked("console"))
def test_commands_print_what_it_says(block: str, daphne: Server) -> None:
    """Each command after ``$`` prints the lines that follow it."""
    for command, output in COMMAND.findall(block.replace("http://127.0.0.1:8000", daphne.url)):
        run = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
        )

        assert run.stdout.strip() == output.strip()


@pytest.mark.parametrize("block", _marked("python"))
def test_programs_print_what_their_comments_say(block: str, daphne: Server) -> None:
    """Each program runs, and prints what the comment behind ``print`` says."""
    program = block.replace("127.0.0.1:8000", f"127.0.0.1:{daphne.port}")
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert set(run.stdout.splitlines()) == set(re.findall(r"print\(.*\)  # (.*)", program))


def test_names_every_setting() -> None:
    """Each setting read from the environment is in the table of settings."""
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', _read("sandbox/settings.py")))

    assert read == set(re.findall(r"^\| `([A-Z_]+)` \|", README.read_text(), flags=re.MULTILINE))


@each_document
def test_names_only_files_that_are_there(document: Path) -> None:
    """Every link to a file of the project has its file."""
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(render(document.read_text()))
