"""Making environments of other versions, in which a server of this project can run.

An environment is kept in the user's cache folder, under a name made from all that is in it: the
next run finds it again. To have it made again, remove it.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import distributions, requires
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sandbox.processes.child import child

PROJECT = "channels-consumer-sandbox"
INSTALL_SECONDS = 600.0
SHOWN_CHARACTERS = 600
LIST_VERSIONS = (
    "import json; from importlib.metadata import distributions; "
    "print(json.dumps({one.name: one.version for one in distributions()}))"
)
UNREACHABLE = re.compile(r"Failed to fetch|connection broken by|Connection to \S+ timed out")
"""What uv or pip says where the package index does not answer."""


class RequirementsError(Exception):
    """Requirements that are none, or that no environment can meet; the message says why."""


class UnresolvableError(RequirementsError):
    """Requirements that contradict each other, or that nothing meets."""


@cache
def installed_versions() -> Mapping[str, str]:
    """Return the version of everything installed here, by normalized name."""
    return _normalized({one.name: one.version for one in distributions()})


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python with packages."""

    requirements: str = ""
    """What was asked for. Empty: the environment that this process runs in."""
    python: str = sys.executable
    versions: Mapping[str, str] = field(default_factory=installed_versions)
    """Of everything in it, by normalized name."""


def column(server: str, requirements: str) -> str:
    """Name a server in an environment."""
    return f"{server} with {requirements}" if requirements else server


def environment(requirements: str) -> Environment:
    """Find the environment of a set of requirements in the cache, or make it.

    ``requirements`` are separated by blanks, such as ``"channels==4.0.* daphne==4.0.*"``. What they
    do not name has the version that it has here; only what does not work with what they name, as
    channels-redis 4.3 does not with Channels 4.1, has another one. Raises RequirementsError.
    """
    named = _parse(requirements)
    contents = _contents(named)
    folder = _cache_folder() / _name(named, contents)
    python = folder / "bin" / "python"
    try:
        if not python.exists():  # nor where the Python that it was made with has gone
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, requirements, contents)
        versions = json.loads((folder / "versions.json").read_text())
    except OSError as error:
        raise RequirementsError(
            f"The environment in {folder} cannot be made or read: {error.strerror}."
        ) from error
    return Environment(" ".join(map(str, named)), str(python), versions)


def _parse(requirements: str) -> list[Requirement]:
    named = []
    for text in requirements.split():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            raise RequirementsError(
                f"{text!r} is not a requirement: give one such as 'channels==4.1.*', or several "
                "with spaces between them, such as 'channels==4.0.* daphne==4.0.*'."
            ) from None
        if requirement.url:
            raise RequirementsError(
                f"{requirement.name} has an address: only releases can be installed."
            )
        named.append(requirement)
    if not named:
        raise RequirementsError("There is no requirement: give one such as 'channels==4.1.*'.")
    return sorted(named, key=str)


@dataclass(frozen=True, slots=True)
class Contents:
    """What is installed into an environment."""

    roots: list[str]
    versions: dict[str, str]
    """Those that are here, of all that is not named."""
    dependants: set[str]
    """What requires something that is named, but for Django: that is what all is compared on."""

    def constraints(self, *, of_dependants: bool) -> str:
        return "".join(
            f"{name}=={version}\n"
            for name, version in self.versions.items()
            if of_dependants or name not in self.dependants
        )


def _contents(named: Iterable[Requirement]) -> Contents:
    names = {canonicalize_name(one.name) for one in named}
    here = installed_versions()
    if PROJECT not in here:
        raise RequirementsError(
            "The sandbox is not installed, so that what it needs is not known: pip install -e ."
        )
    requirements = {
        name: [Requirement(text) for text in requires(name) or ()] for name in sorted(here)
    }
    roots = [*map(str, named)]
    for one in requirements.pop(PROJECT):
        if canonicalize_name(one.name) in here:  # not so with what an extra would bring
            extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
            roots.append(f"{one.name}{extras}")
    dependants = {
        name
        for name, needed in requirements.items()
        if name != "django" and names.intersection(canonicalize_name(one.name) for one in needed)
    }
    versions = {name: here[name] for name in requirements if name not in names}
    return Contents(roots, versions, dependants)


def _cache_folder() -> Path:
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache_home) / PROJECT / "environments"


def _name(named: Iterable[Requirement], contents: Contents) -> str:
    all_of_it = (sys.version, sys.base_prefix, contents.roots, contents.versions)
    readable = re.sub(r"[^a-z0-9.]+", "-", " ".join(map(str, named)).lower()).strip("-.")
    return f"{readable[:60]}-{hashlib.sha256(repr(all_of_it).encode()).hexdigest()[:12]}"


def _make(folder: Path, requirements: str, contents: Contents) -> None:
    """Make it next to its place, and move it there when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=folder.parent) as scratch:
        made = Path(scratch, "environment")
        python = f"{made}/bin/python"
        # uv takes seconds where pip takes a minute.
        uv = shutil.which("uv") or shutil.which("uv", path=Path(sys.executable).parent)
        if uv:
            _run([uv, "venv", "--python", sys.executable, str(made)], requirements)
            install = [uv, "pip", "install", "--python", python]
        else:
            _run([sys.executable, "-m", "venv", "--without-pip", str(made)], requirements)
            install = [sys.executable, "-m", "pip", "--python", python, "install"]
        constraints = Path(scratch, "constraints.txt")
        install += ["--constraint", str(constraints), *contents.roots]
        try:
            constraints.write_text(contents.constraints(of_dependants=True))
            _run(install, requirements)
        except UnresolvableError:
            constraints.write_text(contents.constraints(of_dependants=False))
            _run(install, requirements)
        versions = json.loads(_run([python, "-c", LIST_VERSIONS], requirements))
        Path(made, "versions.json").write_text(json.dumps(_normalized(versions)))
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():  # otherwise another run has just made the same
                raise


def _run(command: list[str], requirements: str) -> str:
    """Run a program to its end; return what it says. Raises RequirementsError."""
    with child(
        command,
        env={**os.environ, **_index()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            raise RequirementsError(
                f"The environment with {requirements} was not made in {INSTALL_SECONDS:g} s."
            ) from None
    if not process.returncode:
        return str(output)
    if UNREACHABLE.search(output):
        raise RequirementsError(
            f"There is no environment with {requirements} yet, and the package index from which "
            "to make it does not answer."
        )
    raise UnresolvableError(
        f"There can be no environment with {requirements} and all else as it is here "
        f"({_cause(output)}). What else may change is named in the same --with, such as "
        "--with 'channels==4.0.* daphne==4.0.*'."
    )


@cache
def _index() -> Mapping[str, str]:
    """Tell uv of the package index in pip's settings, which it does not read."""
    if "UV_DEFAULT_INDEX" in os.environ:
        return {}
    found = (
        os.environ.get("PIP_INDEX_URL")
        or subprocess.run(  # the command is ours
            [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
    )
    return {"UV_DEFAULT_INDEX": found} if found else {}


def _cause(output: str) -> str:
    """Put on one line why uv or pip has failed, without the address of a package index."""
    cause = re.search(
        r"(?<=cause: ).*|(?<=The conflict is caused by:\n).*?(?=\n\n)|(?<=ERROR: ).*",
        output,
        re.DOTALL,
    )
    words = re.sub(r"\w+://\S+", "…", " ".join((cause[0] if cause else output).split()))
    return words[:SHOWN_CHARACTERS].rstrip(".")


def _normalized(versions: Mapping[str, str]) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in versions.items()}
