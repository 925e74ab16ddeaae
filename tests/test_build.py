"""What brings the project onto a machine: the Makefile, the package, the workflow of CI."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import psutil
import pytest
import yaml

from sandbox.processes.servers import ROOT, free_port

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
JOB: dict[str, Any] = WORKFLOW["jobs"]["test"]


class Clone:
    """A clone of which nothing is installed, on a machine with a shell, make and little else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "path"
        self.path.mkdir()
        for program in ("sh", "make", "mkdir", "rm", "touch"):
            (self.path / program).symlink_to(str(shutil.which(program)))
        for file in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / file, folder)

    def program(self, path: str, script: str) -> None:
        """Write a program, such as a Python that lacks something."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def make(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env={"PATH": str(self.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_make_says_when_there_is_no_python(clone: Clone) -> None:
    """Without a Python that is new enough, a sentence says what is needed, and nothing is made."""
    clone.program("path/python3", "exit 1")

    made = clone.make("serve")

    assert made.returncode != 0
    assert "This needs Python 3.11 or newer on PATH" in made.stdout
    assert not (clone.folder / ".venv").exists()


def test_make_says_which_package_of_debian_is_missing(clone: Clone) -> None:
    """Where Python comes without venv, a sentence names the package, and no half of one is left."""
    clone.program(
        "path/python3", f'[ "$1" = -m ] && mkdir .venv && exit 1; exec {sys.executable} "$@"'
    )

    made = clone.make("serve")

    assert made.returncode != 0
    assert "on Debian, apt install python3-venv" in made.stdout
    assert not (clone.folder / ".venv").exists()


@pytest.mark.parametrize("lacks", ["python", "pip"])
def test_make_says_that_an_environment_is_broken(clone: Clone, lacks: str) -> None:
    """A .venv without Python or pip is left alone, and a sentence says how to remove it."""
    clone.program("path/python3", f'exec {sys.executable} "$@"')
    clone.program(".venv/bin/python", "exit 1" if lacks == "python" else "exit 0")
    if lacks == "python":
        clone.program(".venv/bin/pip", "exit 0")

    made = clone.make("serve")

    assert made.returncode != 0
    assert "has no working Python 3.11 or newer with pip. To remove it: make clean" in made.stdout


@pytest.fixture
def installing(clone: Clone) -> Clone:
    """A clone with an environment in which uv and pip print what they are asked."""
    (clone.folder / ".venv" / "bin").mkdir(parents=True)
    (clone.folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    clone.program(".venv/bin/uv", 'echo "uv $* from index $UV_DEFAULT_INDEX"')
    clone.program(".venv/bin/pip", '[ $1 = config ] && echo an-index || echo "pip $*"')
    return clone


def test_make_serve_installs_what_serving_needs(installing: Clone) -> None:
    """Neither the tests' packages nor an extra is installed, and pip's index is used."""
    made = installing.make(".venv/serve")

    assert made.stdout.splitlines() == [
        "Installing into .venv what make serve needs.",
        "uv pip install --python .venv/bin/python --editable . from index an-index",
    ]


def test_make_installs_once(installing: Clone) -> None:
    """What is installed is installed again only when pyproject.toml has changed."""
    installing.make(".venv/serve")
    again = installing.make(".venv/serve")
    os.utime(installing.folder / "pyproject.toml", (time.time() + 60, time.time() + 60))
    changed = installing.make(".venv/serve")

    assert "Installing" not in again.stdout
    assert "Installing" in changed.stdout


def test_make_falls_back_to_pip(installing: Clone) -> None:
    """Where uv cannot install, pip does, and a sentence says so."""
    installing.program(".venv/bin/uv", "exit 1")

    made = installing.make(".venv/serve")

    assert made.returncode == 0
    assert "uv could not install this. Trying pip" in made.stdout
    assert made.stdout.endswith("pip install --editable .\n")


def test_make_test_takes_a_version_of_django(installing: Clone) -> None:
    """DJANGO is installed next to the tests' packages, also where these are there already."""
    installing.make(".venv/test")
    made = installing.make(".venv/test", "DJANGO=django==5.2.*")

    assert "--editable . --group dev django==5.2.* from" in made.stdout


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A ``make serve`` in a process group of its own, and the port on which it answers."""
    port = free_port()
    process = subprocess.Popen(
        # This environment is installed; a bare make would look for one of its own.
        ["make", "--assume-old=.venv/serve", f"BIN={Path(sys.executable).parent}", "serve"],
        cwd=ROOT,
        env={
            **os.environ,
            "PORT": str(port),
            "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(lambda: _answers(port))
        yield process, port
    finally:
        if _running(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _running(group: int) -> list[int]:
    """Return the ids of a group's processes, without those that have ended."""
    running = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return running


def _terminate(make: int) -> None:
    os.kill(make, signal.SIGTERM)


def _press_ctrl_c(make: int) -> None:
    os.killpg(make, signal.SIGINT)


def _kill(make: int) -> None:
    os.kill(make, signal.SIGKILL)


@pytest.mark.parametrize("end", [_terminate, _press_ctrl_c, _kill])
def test_make_serve_ends_with_its_server(
    served: tuple[subprocess.Popen[bytes], int], end: Callable[[int], None]
) -> None:
    """Whatever ends make ends the server too, and the port is free."""
    if end is _kill and not sys.platform.startswith("linux"):
        pytest.skip("Only Linux ends a program when the one that started it is killed.")
    process, port = served

    end(process.pid)
    process.wait(30)

    _wait(lambda: not _running(process.pid))
    assert not _answers(port)


def test_the_package_is_complete(tmp_path: Path) -> None:
    """A wheel holds every module, template, static file, schema and result."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert packed == {
        str(file.relative_to(ROOT))
        for package in ("consumers", "routing", "sandbox")
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_the_changelog_has_the_version() -> None:
    """The newest release in the changelog is the version of the package, and has a date."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    newest = re.search(r"^## \[([\d.]+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)

    assert newest
    assert newest[1] == PYPROJECT["project"]["version"]


def test_the_import_rule_covers_the_contract() -> None:
    """Each file of the contract, and what bots answer, import no framework."""
    (rule,) = (
        rule
        for rule in PYPROJECT["tool"]["importlinter"]["contracts"]
        if rule["type"] == "forbidden"
    )

    contract = (f"consumers.{file.stem}" for file in (ROOT / "consumers").glob("contract*.py"))
    assert set(rule["source_modules"]) == {*contract, "consumers.bot.commands"}


def test_ci_runs_what_a_developer_runs() -> None:
    """The workflow runs make check and make test, and both are there."""
    targets = [
        step["run"].removeprefix("make ")
        for step in JOB["steps"]
        if step.get("run", "").startswith("make ")
    ]

    assert targets == ["check", "test"]
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_ci_runs_on_every_version() -> None:
    """The workflow's versions of Python and Django are the ones that the package names."""
    supported: dict[str, set[str]] = {"Python": set(), "Django": set()}
    for classifier in PYPROJECT["project"]["classifiers"]:
        _, name, version = classifier.split(" :: ")
        supported[name].add(version)

    assert set(JOB["strategy"]["matrix"]["python"]) == supported["Python"]
    assert set(JOB["strategy"]["matrix"]["django"]) == supported["Django"]
