"""Environments of other versions: what is in them, what is said of those that cannot be made."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import psutil
import pytest

from sandbox.processes import environments
from sandbox.processes.environments import PROJECT, RequirementsError, environment
from sandbox.processes.servers import ROOT

HERE = {PROJECT: "1", "django": "5.2", "layer": "2.0", "toolkit": "2.0", "redis-layer": "4.3"}
NEEDED = {
    PROJECT: ["django>=5", "toolkit>=2", "layer[extra]>=2", "redis-layer", "absent; extra == 'x'"],
    "django": ["layer>=1.5"],
    "redis-layer": ["toolkit>=2"],
}
"""What is here, in place of the real packages, which only a package index has."""
WHEELS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("toolkit", "1.9"): (),
    ("toolkit", "2.0"): (),
    ("layer", "1.0"): (),
    ("layer", "2.0"): (),
    ("layer", "2.1"): (),
    ("django", "5.2"): ("layer>=1.5",),
    ("django", "6.0"): (),
    ("redis-layer", "4.2"): ("toolkit",),
    ("redis-layer", "4.3"): ("toolkit>=2",),
}
each_installer = pytest.mark.parametrize("installer", ["uv", "pip"])


def wheel(folder: Path, name: str, version: str, needed: tuple[str, ...]) -> None:
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = [f"Name: {name}", f"Version: {version}", "Provides-Extra: extra"]
    metadata += [f"Requires-Dist: {one}" for one in needed]
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        info = f"{stem}.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\n" + "\n".join(metadata))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no package index but a folder of wheels."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for (name, version), needed in WHEELS.items():
        wheel(wheels, name, version, needed)
    settings = {"NO_INDEX": "1", "FIND_LINKS": str(wheels)}
    for name, value in settings.items():
        monkeypatch.setenv(f"UV_{name}", value)
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(environments, "installed_versions", lambda: HERE)
    monkeypatch.setattr(environments, "requires", NEEDED.get)
    return tmp_path / PROJECT / "environments"


@pytest.fixture
def without_index(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package index that refuses every connection, with a secret in its address."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"http://joan:hunter2@127.0.0.1:{bound.getsockname()[1]}/simple"
        for name in ("UV_NO_INDEX", "PIP_NO_INDEX", "UV_FIND_LINKS", "PIP_FIND_LINKS"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        monkeypatch.setenv("PIP_INDEX_URL", address)
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("PIP_RETRIES", "1")
        yield address
    assert not list(cache.iterdir())


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def choose(installer: str) -> None:
        if installer == "pip":
            monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
        elif not shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"):
            pytest.skip("There is no uv.")

    return choose


# Good input.


def test_all_that_is_not_named_is_as_here(cache: Path) -> None:
    """An environment has what is named, and everything else in the version that is here."""
    made = environment("layer")
    assert made.versions == {"django": "5.2", "layer": "2.1", "toolkit": "2.0"} | {
        "redis-layer": "4.3"
    }
    assert made.requirements == "layer"
    assert Path(made.python).is_relative_to(cache)


@each_installer
def test_what_does_not_work_with_it_has_another_version(
    installer: str,
    cache: Path,  # noqa: ARG001 # it sets the package index
    use: Callable[[str], None],
) -> None:
    """A package that requires a newer release of what is named gives way, and nothing else does."""
    use(installer)
    versions = environment("toolkit<2").versions
    assert versions["toolkit"] == "1.9"
    assert versions["redis-layer"] == "4.2"
    assert versions["layer"] == "2.0"


def test_it_is_made_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run finds an environment in the cache, in whatever order it names the packages."""
    made = environment("toolkit<2 layer==2.*")
    monkeypatch.setattr(environments, "_make", None)
    assert environment(" layer==2.*  toolkit<2 ") == made
    assert len(list(cache.iterdir())) == 1


def test_other_packages_here_make_another_one(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an upgrade of something that is not named, the environment is made again."""
    environment("layer==2.0")
    monkeypatch.setattr(environments, "installed_versions", lambda: {**HERE, "django": "6.0"})
    assert environment("layer==2.0").versions["django"] == "6.0"
    assert len(list(cache.iterdir())) == 2


def test_two_runs_at_the_same_time_share_one(cache: Path) -> None:
    """Two runs that make the same environment end with the same one, and it is whole."""
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(environment, ["layer==2.0"] * 2)
    assert one == other
    assert [folder.name for folder in cache.iterdir()] == [Path(one.python).parts[-3]]


def test_a_python_that_has_gone_is_made_again(
    cache: Path,  # noqa: ARG001 # it sets the package index
) -> None:
    """An environment whose Python is no longer there is replaced."""
    made = environment("layer==2.0")
    Path(made.python).unlink()
    assert environment("layer==2.0") == made
    assert Path(made.python).exists()


# Bad input.


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        ("", "There is no requirement"),
        ("layer == 2.0", "'==' is not a requirement: give one such as 'channels==4.1.*'"),
        ("layer==2.0,layer", "'layer==2.0,layer' is not a requirement"),
        ("--index-url=x", "'--index-url=x' is not a requirement"),
        ("../layer", "'../layer' is not a requirement"),
        ("layer@git+https://joan:hunter2@example.com/layer", "layer has an address"),
    ],
)
def test_what_is_no_requirement_is_refused(requirements: str, said: str, cache: Path) -> None:
    """What is no name of a package with versions is refused before anything is made."""
    with pytest.raises(RequirementsError, match=re.escape(said)) as error:
        environment(requirements)
    assert "hunter2" not in str(error.value)
    assert not cache.exists()


@pytest.mark.parametrize(
    ("requirements", "said", "installer"),
    [
        ("layer==9.*", "layer==9.*", "uv"),
        ("no-such-package", "no-such-package", "uv"),
        ("layer==2.0 layer==2.1", "layer==2.1", "uv"),
        ("layer==1.0", "django", "uv"),
        ("no-such-package", "no-such-package", "pip"),
    ],
    ids=["no such version", "unknown", "contradiction", "conflict with Django", "with pip"],
)
def test_what_cannot_be_had_gets_a_sentence(
    requirements: str, said: str, installer: str, cache: Path, use: Callable[[str], None]
) -> None:
    """The message says which requirements cannot be met and why, and nothing half made stays."""
    use(installer)
    with pytest.raises(RequirementsError, match="There can be no environment with") as error:
        environment(requirements)
    assert said in str(error.value).partition("(")[2]
    assert "\n" not in str(error.value)
    assert not list(cache.iterdir())


@each_installer
def test_no_network_gets_a_sentence(
    installer: str, without_index: str, use: Callable[[str], None]
) -> None:
    """Where the package index does not answer this is said, without its address."""
    use(installer)
    with pytest.raises(RequirementsError, match=r"the package index .* does not answer") as error:
        environment("layer==2.0")
    assert "127.0.0.1" not in str(error.value)
    assert "hunter2" not in str(error.value)
    assert without_index


class Forbidden(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name that its base class asks for
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.usefixtures("without_index")
def test_no_address_of_an_index_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What uv says of an index that refuses is passed on without its address and its password."""
    with HTTPServer(("127.0.0.1", 0), Forbidden) as server:
        Thread(target=server.serve_forever).start()
        address = f"http://joan:hunter2@127.0.0.1:{server.server_port}/simple"
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        with pytest.raises(RequirementsError, match="403 Forbidden") as error:
            environment("layer==2.0")
        server.shutdown()
    assert not re.search("127.0.0.1|hunter2|joan", str(error.value))


def test_a_folder_that_cannot_be_written_gets_a_sentence(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache folder that cannot be made is named."""
    (cache.parent.parent / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent.parent / "file"))
    with pytest.raises(RequirementsError, match="cannot be made or read: Not a directory"):
        environment("layer==2.0")


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    """After SIGTERM there is no half-made environment, and no program that makes one."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        with subprocess.Popen(
            [sys.executable, "manage.py", "compare", "--with", "channels==4.1.*"],
            cwd=ROOT,
            env={
                **os.environ,
                "XDG_CACHE_HOME": str(tmp_path),
                "UV_DEFAULT_INDEX": index,
                "PIP_INDEX_URL": index,
                "UV_NO_CACHE": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            silent.settimeout(60)
            with silent.accept()[0]:  # an installer has begun
                installers = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(signal.SIGTERM)
                output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Interrupted." in output
    assert installers
    deadline = time.monotonic() + 10
    while any(one.is_running() for one in installers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not list((tmp_path / PROJECT / "environments").iterdir())
