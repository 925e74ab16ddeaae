"""CONTRIBUTING's recipe for a consumer of one's own, followed to the letter in a scratch copy."""

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from sandbox.processes.servers import ROOT
from tests.compare.conftest import scratch_copy

RECIPE = re.compile(r"<!-- recipe -->\n *```(console|diff)\n(.*?)```", re.DOTALL)
PAGE = """
from django.test import Client
response = Client().get("/exhibits/mine/async-websocket/", headers={"host": "localhost"})
print(response.status_code, "A consumer of my own." in response.content.decode())
"""


def run(command: str, tree: Path) -> subprocess.CompletedProcess[str]:
    command = command.replace(".venv/bin/python", sys.executable)
    return subprocess.run(
        ["bash", "-c", command], cwd=tree, capture_output=True, text=True, check=False
    )


def commands(block: str) -> list[str]:
    return re.findall(r"\$ (.*)", block)


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    """What to do, what to add to the catalogue, and what to run then."""
    blocks = RECIPE.findall((ROOT / "CONTRIBUTING.md").read_text())
    assert [language for language, _ in blocks] == ["console", "diff", "console"]
    return [dedent(block) for _, block in blocks]


@pytest.fixture(scope="module")
def tree(blocks: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the recipe has been followed."""
    tree = scratch_copy(tmp_path_factory.mktemp("recipe"))
    for command in commands(blocks[0]):
        assert run(command, tree).returncode == 0
    catalogue = tree / "consumers/catalogue.py"
    source = catalogue.read_text()
    ends = ("    )\n}\n", ")\n\nDEVICES")
    for added, end in zip(re.findall(r"\+ (.*)", blocks[1]), ends, strict=True):
        assert source.count(end) == 1
        source = source.replace(end, f"{added}\n{end}")
    catalogue.write_text(source)
    return tree


def test_the_recipe_makes_an_edition_that_compare_knows(blocks: list[str], tree: Path) -> None:
    """The new edition gets the contract's probes, and a copy of echo's consumer passes them."""
    (command,) = commands(blocks[2])
    done = run(command, tree)

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^  null +same *$", done.stdout, re.MULTILINE)
    assert re.search(r"^\d{3} same, \d declared, \d+ n/a", done.stdout, re.MULTILINE)


def test_the_recipe_makes_a_page(tree: Path) -> None:
    """The new exhibit has the page that the recipe names, with the edition's sentence."""
    done = run(f".venv/bin/python manage.py shell --verbosity 0 --command '{PAGE}'", tree)

    assert done.stdout.strip() == "200 True", done.stderr


def test_the_new_edition_can_fail(blocks: list[str], tree: Path) -> None:
    """A mistake in the new consumer is a difference, and the exit status is 1."""
    (command,) = commands(blocks[2])
    consumer = tree / "consumers/mine/async_websocket.py"
    right = consumer.read_text()
    wrong = right.replace("encode(answer(request))", "encode(answer(request)).replace('null', '0')")
    assert wrong != right
    try:
        consumer.write_text(wrong)
        done = run(command, tree)
    finally:
        consumer.write_text(right)

    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^  null +DIFFERS *$", done.stdout, re.MULTILINE)
