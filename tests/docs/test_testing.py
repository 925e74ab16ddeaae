"""docs/testing.md, followed in a fresh project."""

import re
from pathlib import Path

import pytest

from tests.support.recipe import Recipe, follow

PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=60")
IN_A_FILE = 'DATABASES["default"]["TEST"]'


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return follow("testing.md", tmp_path_factory.mktemp("testing"))


def test_the_tests_of_the_recipe_pass(recipe: Recipe) -> None:
    """Every test that the page shows passes, in one run."""
    run = recipe.run(*PYTEST)
    shown = re.findall(r"def test_", "".join(map(Path.read_text, recipe.folder.glob("tests/*.py"))))

    assert f"{len(shown)} passed" in run.stdout.splitlines()[-1], run.stdout + run.stderr


def test_the_pitfalls_fail_as_the_page_says(recipe: Recipe) -> None:
    """Each test that is to fail does so with the words of the page, and the others pass."""
    run = recipe.run(*PYTEST, "pitfalls", "-rA", "--tb=no", COLUMNS="1000")
    seen = [
        (file, status, words)
        for status, file, words in re.findall(
            r"^(PASSED|FAILED) (\S+?)::\S+(?: - (.*))?$", run.stdout, re.MULTILINE
        )
    ]
    for file, outcome in recipe.outcomes.items():
        failures = [words for name, status, words in seen if (name, status) == (file, "FAILED")]
        expected = [] if outcome == "passes" else outcome.removeprefix("fails with: ").split(" | ")
        assert len(failures) == len(expected), run.stdout
        assert all(part in words for part, words in zip(expected, failures, strict=True)), (
            run.stdout
        )


def test_in_memory_two_threads_lock_each_other_out(recipe: Recipe) -> None:
    """With Django's default, a database in memory, the same mistake has the error of the page."""
    settings = recipe.folder / "mysite" / "settings.py"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith(IN_A_FILE)]
    settings.with_name("in_memory.py").write_text("\n".join(lines))
    run = recipe.run(*PYTEST, "--ds=mysite.in_memory", "pitfalls/test_thread.py", "-k", "fixture")

    assert "database table is locked" in run.stdout, run.stdout
