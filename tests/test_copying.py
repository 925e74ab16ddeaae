"""docs/copying.md: what is copied as it says works in a fresh project."""

import ast
import asyncio
import json
import os
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from django.conf import global_settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from consumers.contract import Limits, answer, decode, encode
from sandbox.bench.output.table import many
from sandbox.processes.child import child
from sandbox.processes.mosquitto import Mosquitto
from sandbox.processes.redis import Redis
from sandbox.processes.servers import ROOT, Server, free_port, listening
from tests.support.devices import Device, answered

PAGE = ROOT / "docs" / "copying.md"
OURS = ("consumers", "routing", "sandbox")
FILES = re.compile(r"<!-- files: (.*?) -->\n.*?(?=<!-- /files -->)", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
PROGRAM = re.compile(r"<!-- program: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
OTHER = re.compile(r"<!-- (?:program: \S+|invite|room) -->\n```python\n.*?```", re.DOTALL)
"""What belongs neither into the settings nor into ``asgi.py``."""
LONGEST_LINE = 98
TIMEOUT = 30.0


# What goes with a file: its imports say so.


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse((ROOT / file).read_text())


def imported(file: Path) -> Iterator[str]:
    """The modules that a file cannot do without: what it tries to import is not among them."""
    for node in parsed(file).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_file(module: str) -> Path | None:
    file = Path(*module.split(".")).with_suffix(".py")
    return file if file.parts[0] in OURS and (ROOT / file).is_file() else None


def with_it(files: list[Path]) -> list[Path]:
    """What is to be copied too, so that these files can be imported."""
    found, ahead = set(files), list(files)
    while ahead:
        needed = {own for module in imported(ahead.pop()) if (own := own_file(module))}
        ahead += needed - found
        found |= needed
    return sorted(found - set(files))


distributions = cache(packages_distributions)


def packages(files: list[Path]) -> list[str]:
    """The requirements of this project that these files have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {canonicalize_name(Requirement(one).name): one for one in project["dependencies"]}
    roots = {module.partition(".")[0] for file in files for module in imported(file)}
    names = {canonicalize_name(name) for root in roots for name in distributions().get(root, ())}
    return sorted(required[name] for name in names if name in required)


def settings_of(files: list[Path]) -> list[str]:
    """The settings that a fresh project does not have, and the channel layers, by their alias."""
    found = set()
    for node in (node for file in files for node in ast.walk(parsed(file))):
        match node:
            case ast.Attribute(value=ast.Name(id="settings"), attr=name):
                if not hasattr(global_settings, name):
                    found.add(f"`{name}`")
            case ast.Assign(
                targets=[ast.Name(id="channel_layer_alias")], value=ast.Constant(value=alias)
            ):
                found.add(f"`CHANNEL_LAYERS[{alias!r}]`")
    return sorted(found)


def files_of(*patterns: str) -> list[Path]:
    return sorted(
        file.relative_to(ROOT)
        for pattern in patterns
        for file in ROOT.glob(pattern)
        if file.stem != "__init__" or "migrations" in file.parts
    )


def command(files: list[Path]) -> str:
    """What copies these files, with the ``__init__.py`` of their folders."""
    folders = {folder for file in files for folder in file.parents if folder.parts}
    inits = sorted(folder / "__init__.py" for folder in folders)
    words = ["$ cp --parents", *map(str, dict.fromkeys((*files, *inits))), "../mysite"]
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) > LONGEST_LINE:
            lines.append("   ")
        lines[-1] += f" {word}"
    return " \\\n".join(lines)


def facts(*patterns: str) -> str:
    """What the page says of the files with these names."""
    files = files_of(*patterns)
    others = with_it(files)
    imported = (
        f", and {many(len(others), 'file', 'files')} that {_pronoun(files)}" if others else ""
    )
    bullets = {
        "Packages": packages([*files, *others]),
        "Settings": settings_of([*files, *others]),
    }
    return "".join(
        [
            *(f"- {name}: {', '.join(values) or 'none'}\n" for name, values in bullets.items()),
            f"- Copy: {many(len(files), 'file', 'files')}{imported}\n",
            f"\n```console\n{command([*files, *others])}\n```\n",
        ]
    )


def _pronoun(files: list[Path]) -> str:
    return "it imports" if len(files) == 1 else "they import"


def index() -> str:
    """List the sections of the page."""
    return "".join(
        f"- `{patterns.split()[0]}`: [{title}](#{anchor(title)})\n"
        for title, patterns in sections(PAGE.read_text())
    )


def sections(page: str) -> list[tuple[str, str]]:
    """Return of each file or group of files its title, and its patterns."""
    return re.findall(r"^### (.*?)\n.*?<!-- files: (.*?) -->", page, re.DOTALL | re.MULTILINE)


def anchor(title: str) -> str:
    """Return what GitHub makes of a heading, to link to."""
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")


# A fresh project, made of what the page says.


@dataclass(frozen=True)
class Entry:
    """A section of the page."""

    patterns: str
    files: tuple[Path, ...]
    command: str
    """What copies them."""
    blocks: tuple[str, ...]
    programs: tuple[tuple[str, str], ...]
    """Files to write, with what is in them."""


def read_entry(section: str) -> Entry:
    *_, match = FILES.finditer(section)  # the last one has what the others have
    found = re.search(r"```console\n\$ (.*?)\n```", match[0], re.DOTALL)
    command = found[1] if found else ""  # it is not written yet
    files = tuple(Path(name) for name in command.split() if name.endswith(".py"))
    blocks = tuple(PYTHON.findall(OTHER.sub("", section)))
    programs = tuple(PROGRAM.findall(section))
    return Entry(match[1], files, command, blocks, programs)


def read_entries() -> dict[str, Entry]:
    """Read the sections by the last part of the first pattern's path that names them."""
    before, *sections = PAGE.read_text().split("\n### ")
    entries = {TOGETHER: read_entry(before.partition("\n## All of it together\n")[2])}
    for section in sections:
        entry = read_entry(section)
        entries[re.sub(r"/\*\.py.*|\.py.*", "", entry.patterns)] = entry
    return entries


TOGETHER = "all of it together"
ENTRIES = read_entries()


def marked(mark: str, language: str) -> str:
    (block,) = re.findall(
        rf"<!-- {mark} -->\n```{language}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL
    )
    return str(block)


def copy(entry: Entry, folder: Path) -> None:
    """Copy with the command of the page."""
    folder.mkdir(exist_ok=True, parents=True)
    command = entry.command.replace("../mysite", shlex.quote(str(folder)))
    subprocess.run(["bash", "-c", command], cwd=ROOT, check=True)


def make_project(blank: Path, folder: Path, names: tuple[str, ...], redis_url: str) -> None:
    """Copy a blank project, and follow these sections of the page in it."""
    shutil.copytree(blank, folder)
    (folder / "chat").mkdir()
    shutil.copy(ROOT / "tests/support/chat.py", folder / "chat" / "consumers.py")
    settings = (folder / "mysite" / "settings.py").read_text()
    around_each, around_all = "", ""
    for name in names:
        copy(ENTRIES[name], folder)
        for block in ENTRIES[name].blocks:
            if re.search(r"urlpatterns \+=|^other_protocols\[", block, re.MULTILINE):
                around_each += block
            elif re.search("^application =", block, re.MULTILINE):
                around_all += block
            else:
                settings += block.replace("redis://127.0.0.1:6379/0", redis_url)
    for file, program in (it for name in names for it in ENTRIES[name].programs):
        (folder / file).write_text(program)
    asgi = marked("program: mysite/asgi.py" if TOGETHER in names else "asgi", "python")
    places = re.findall("^# Lines .*\n", asgi, re.MULTILINE)
    if TOGETHER in names:
        (place,) = places
        mounted = re.sub(r"\w+\.\w+\.as_asgi\(\)", r"mounted(\g<0>)", around_each)
        asgi = asgi.replace(place, marked("room", "python") + mounted)
    else:
        around_others, around_everything = places
        asgi = asgi.replace(around_others, around_each).replace(around_everything, around_all)
    (folder / "mysite" / "asgi.py").write_text(asgi)
    (folder / "mysite" / "settings.py").write_text(settings)
    look_often(folder / "mysite" / "asgi.py")


def look_often(asgi: Path) -> None:
    """Let a test wait for two seconds, not for half a minute."""
    looking = re.compile(r"(while_signed_in\((?:consumer|\w+\.as_asgi\(\)))\)")
    asgi.write_text(looking.sub(r"\1, every=2.0)", asgi.read_text()))


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}


IMPORT = """
import importlib, os, sys

sys.path = ["", *(one for one in sys.path if one not in ("", sys.argv[1]))]
import django
from django.conf import settings

contrib = [f"django.contrib.{app}" for app in ("auth", "contenttypes", "sessions")]
settings.configure(INSTALLED_APPS=contrib)
django.setup()
import channels.auth, channels.generic.http, msgspec, redis.asyncio  # once for all forks

for line in sys.stdin:
    folder, *modules = line.split()
    if not os.fork():
        os.chdir(folder)
        models = [module for module in modules if module.endswith(".models")]
        if models:
            own = [module.removesuffix(".models") for module in models]
            django.apps.apps.set_installed_apps([*contrib, *own])
        for module in modules:
            importlib.import_module(module)
        print("imported", folder, flush=True)
        os._exit(0)
    os.wait()
"""


def test_nothing_else_of_this_project_is_needed(tmp_path: Path) -> None:
    """The files of each section can be imported alone, also when they have been moved."""
    places = {}
    for number, entry in enumerate(ENTRIES.values()):
        folder = tmp_path / str(number)
        copy(entry, folder)
        places[folder] = [_module(file) for file in entry.files]
    moved = tmp_path / "moved"
    copy(ENTRIES["consumers/rooms"], moved / "lifted")
    command = marked("move", "console").removeprefix("$ ")
    subprocess.run(["bash", "-c", command], cwd=moved, check=True)
    places[moved] = [f"lifted.{_module(file)}" for file in ENTRIES["consumers/rooms"].files]

    done = subprocess.run(
        [sys.executable, "-c", IMPORT, ROOT],
        input="".join(f"{folder} {' '.join(modules)}\n" for folder, modules in places.items()),
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"imported {folder}" for folder in places], done.stderr


def _module(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


# What each file promises.


class Site:
    """A running project, and what a client does to it."""

    def __init__(self, server: Server, folder: Path, broker_url: str) -> None:
        self.server = server
        self.folder = folder
        self.broker_url = broker_url

    def websocket(self, path: str, **options: Any) -> ClientConnection:
        url = f"ws://127.0.0.1:{self.server.port}{path}"
        connection: ClientConnection = connect(url, open_timeout=TIMEOUT, **options)
        return connection

    def ask(self, path: str, text: str, **options: Any) -> str:
        with self.websocket(path, **options) as websocket:
            return exchange(websocket, text)

    def refusal(self, path: str, **options: Any) -> int:
        with pytest.raises(InvalidStatus) as raised:
            self.websocket(path, **options)
        return raised.value.response.status_code

    def http(
        self, method: str, target: str, body: str | None = None, **headers: str
    ) -> tuple[int, str]:
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)) as client:
            client.request(method, target, body, headers)
            response = client.getresponse()
            return response.status, response.read().decode()

    def run(self, code: str) -> str:
        """Run this in the project, and return what it prints."""
        shell = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        return subprocess.run(
            shell, cwd=self.folder, env=environment(), check=True, capture_output=True, text=True
        ).stdout.strip()

    @contextmanager
    def running(self, mark: str, **variables: str) -> Iterator[None]:
        """Run the command of the page with that mark until the block ends."""
        words = marked(mark, "console").partition("python ")[2].split()
        with child([sys.executable, *words], cwd=self.folder, env={**environment(), **variables}):
            yield

    def wait_for(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + TIMEOUT
        while self.server.log().count(text) < times:
            assert time.monotonic() < deadline, f"not in the log: {text}\n{self.server.log()}"
            time.sleep(0.02)


def exchange(websocket: ClientConnection, text: str) -> str:
    websocket.send(text)
    return str(websocket.recv(TIMEOUT))


TOPIC = "mysite/rooms/lobby"
HI, BAD = '{"message":"hi"}', "{"


def answers(ask: Callable[[str], str]) -> None:
    """See good input echoed and bad input answered."""
    assert ask(HI) == HI
    assert json.loads(ask(BAD))["error"]["code"] == "invalid_json"


def contract(site: Site) -> None:
    answers(lambda text: site.ask("/answering/", text))


def echo(site: Site) -> None:
    for slug in ("websocket", "async-websocket", "json-websocket", "async-json-websocket"):
        with site.websocket(f"/echo/{slug}/") as websocket:
            for _ in range(2):  # it goes on after bad input
                answers(lambda text: exchange(websocket, text))
    assert site.http("POST", "/echo/async-http/", HI) == (200, HI)
    assert site.http("POST", "/echo/async-http/", BAD)[0] == 400


def waits_for_nobody(site: Site, path: str) -> None:
    """A consumer that blocks is released by another one: it could not be if both had one thread."""
    with site.websocket(path) as one, site.websocket(path) as other:
        one.send("wait")
        site.wait_for("waiting")
        other.send("release")
        assert one.recv(TIMEOUT) == "true"
        assert other.recv(TIMEOUT) == "released"


def mixins(site: Site) -> None:
    waits_for_nobody(site, "/fast/")


def rooms(site: Site) -> None:
    with (
        site.websocket("/rooms/lobby/websocket/") as one,
        site.websocket("/rooms/lobby/async-websocket/") as other,
    ):
        assert json.loads(exchange(one, BAD))["error"]["code"] == "invalid_json"
        assert site.http("POST", "/rooms/lobby/", HI) == (202, HI)
        assert (one.recv(TIMEOUT), other.recv(TIMEOUT)) == (HI, HI)


def history(site: Site) -> None:
    status, stored = site.http("POST", "/history/lobby/", HI)
    assert (status, json.loads(stored)) == (202, {"id": 1, "message": "hi"})
    for slug in ("websocket", "async-websocket"):
        with site.websocket(f"/history/lobby/{slug}/?after=0") as late:
            assert late.recv(TIMEOUT) == stored


def workers(site: Site) -> None:
    with site.running("workers"), site.websocket("/rooms/lobby/async-websocket/") as member:
        for worker in ("echo-async", "echo-sync"):
            deadline = time.monotonic() + TIMEOUT
            while site.ask(f"/worker/?worker={worker}", HI) != HI:
                assert time.monotonic() < deadline  # until then there is no worker
        site.run(marked("invite", "python"))
        assert exchange(member, '{"message": "/echo hi"}') == '{"message":"/echo hi"}'
        assert json.loads(member.recv(TIMEOUT))["message"] == {"bot": "bot-async", "text": "hi"}


def devices(site: Site) -> None:
    with site.running("devices", MQTT_URL=site.broker_url):
        for edition in ("echo", "echo-sync"):
            asyncio.run(answered(site.broker_url, f"mysite/{edition}/<client>/request"))


def bridge(site: Site) -> None:
    """The room is heard on its topic, and the topic in the room."""

    async def heard(member: ClientConnection) -> None:
        async with Device(site.broker_url, TOPIC) as device, asyncio.timeout(TIMEOUT):
            while device.messages.empty():  # until then the bridge is not there
                await asyncio.to_thread(exchange, member, HI)
                await asyncio.sleep(0.1)
            assert (await device.message()).payload.decode() == HI
            await device.send(b'{"message": "of a device"}')
            while (text := await asyncio.to_thread(member.recv, TIMEOUT)) == HI:
                pass
            assert text == '{"message":"of a device"}'

    with (
        site.running("devices", MQTT_URL=site.broker_url),
        site.websocket("/rooms/lobby/websocket/") as member,
    ):
        asyncio.run(heard(member))


def drops_are_logged(site: Site) -> None:
    with site.websocket("/chat/") as websocket:
        assert exchange(websocket, "join") == "joined"
        assert exchange(websocket, "flood") == "flooded"
        assert websocket.recv(TIMEOUT) == "said"
        with suppress(TimeoutError):  # it raises if the client leaves before all is sent
            while True:
                websocket.recv(0.5)
    site.wait_for("is over capacity: 1 dropped by now.")


def pub_sub(site: Site) -> None:
    with site.websocket("/chat/") as one, site.websocket("/chat/") as other:
        assert exchange(one, "join") == "joined"
        assert exchange(other, "join") == "joined"
        other.send("say")
        assert (one.recv(TIMEOUT), other.recv(TIMEOUT)) == ("said", "said")
    drops_are_logged(site)


def leave(site: Site, path: str, segment: bytes) -> socket.socket:
    """Open a WebSocket, and send something in the same segment."""
    plain = socket.create_connection(("127.0.0.1", site.server.port), timeout=TIMEOUT)
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    plain.sendall(head.encode() + segment)
    return plain


def ending(site: Site) -> None:
    """The client leaves before its reply; on Uvicorn ``send`` raises then."""
    with leave(site, "/ending/", b"") as client:
        client.recv(65_536)
        client.sendall(Frame(Opcode.TEXT, b"sleep").serialize(mask=True))
        site.wait_for("sleeping")
    site.wait_for("disconnect /ending/")


def backpressure(site: Site, path: str = "/backpressure/") -> None:
    with leave(site, path, b"") as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.recv(65_536)
        client.sendall(Frame(Opcode.TEXT, b"pour").serialize(mask=True))
        site.wait_for("poured")
        time.sleep(1)  # unbounded, all would have been poured
        assert "poured all" not in site.server.log()
        while "poured all" not in site.server.log():
            assert client.recv(1 << 20)


def hypercorn(site: Site) -> None:
    early = Frame(Opcode.TEXT, b"scope").serialize(mask=True)
    with leave(site, "/hypercorn/", early) as client:
        assert b" 400 " in client.recv(65_536)
        site.wait_for("disconnect /hypercorn/")
    with site.websocket("/hypercorn/") as websocket:
        assert not websocket.protocol.extensions


def origin(site: Site, path: str = "/origin/") -> None:
    assert site.refusal(path, origin="https://evil.example") == 403
    assert site.ask(path, "scope", origin="http://localhost")
    assert site.ask(path, "scope")


def session(site: Site) -> None:
    """Its database is a file in a folder that is not there."""
    with site.websocket(
        "/session/", additional_headers={"Cookie": f"sessionid={'a' * 32}"}
    ) as websocket:
        assert json.loads(str(websocket.recv(TIMEOUT)))["error"]["code"] == "unavailable"
        with pytest.raises(ConnectionClosed) as raised:
            websocket.recv(TIMEOUT)
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 4013
    assert site.ask("/session/", "scope")


SIGN_IN = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore

user = User.objects.create_user("kim")
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print(session.session_key)
"""


def signing_out(site: Site, path: str = "/signed-in/") -> None:
    cookie = {"Cookie": f"sessionid={site.run(SIGN_IN)}"}
    with site.websocket(path, additional_headers=cookie) as websocket:
        assert exchange(websocket, "scope")
        with closing(sqlite3.connect(site.folder / "db.sqlite3")) as database, database:
            database.execute("DELETE FROM django_session")
        with pytest.raises(ConnectionClosed) as raised:
            websocket.recv(TIMEOUT)
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 4401


STYLE = "/static/admin/css/base.css"


def static_files(site: Site) -> None:
    assert site.http("GET", STYLE)[0] == 200
    assert site.http("GET", "/static/%00")[0] == 404


def refusal(site: Site) -> None:
    assert site.refusal("/nowhere/") == 403
    site.wait_for("/nowhere/' refused 404: no WebSocket has that path")


def isolation(site: Site) -> None:
    waits_for_nobody(site, "/chat/")


def host(site: Site) -> None:
    assert site.http("GET", STYLE, Host="evil.example")[0] == 400
    assert site.http("GET", STYLE, Host="localhost")[0] == 200


def prefix(site: Site) -> None:
    for path in ("/app/chat/", "/chat/"):
        scope = json.loads(site.ask(path, "scope"))
        assert (scope["root_path"], scope["path"]) == ("/app", "/app/chat/")


def proxy(site: Site) -> None:
    seen = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    scope = json.loads(site.ask("/chat/", "scope", additional_headers=seen))

    assert (scope["client"][0], scope["scheme"]) == ("203.0.113.7", "wss")


def servers(site: Site) -> None:
    whole = f"http://127.0.0.1:{site.server.port}{STYLE}"
    assert site.http("GET", whole)[0] == 200


def together(site: Site) -> None:
    """Each file does what it is for; the last one is the end, at SIGTERM."""
    assert site.http("GET", "/admin/login/", Host="evil.example")[0] == 400
    assert site.http("GET", "/admin/login/")[0] == 200
    refusal(site)
    for check in (origin, waits_for_nobody, backpressure, signing_out):
        check(site, "/chat/")
    origin(site, "/rooms/lobby/")
    answers(lambda text: site.ask("/rooms/lobby/", text))
    history(site)
    with site.websocket("/chat/") as websocket:
        site.server.process.terminate()
        with pytest.raises(ConnectionClosed) as raised:
            websocket.recv(TIMEOUT)
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 4012


Check = Callable[[Site], None]
PROMISES: dict[str, dict[str, Check | None]] = {
    "daphne": {
        "consumers/contract": contract,
        "consumers/echo": echo,
        "consumers/tuned/mixins": mixins,
        "consumers/rooms": rooms,
        "consumers/history": history,
        "routing/signed_in": signing_out,
    },
    "daphne with much around": {
        "routing/backpressure": backpressure,
        "routing/origin": origin,
        "routing/session": session,
        "routing/static_files": static_files,
        "routing/refusal": refusal,
        "routing/isolation": isolation,
        "routing/host": host,
        "routing/prefix": prefix,
        "routing/proxy": proxy,
        "routing/servers": servers,
        "sandbox/layers/in_memory": drops_are_logged,
    },
    "daphne with all": {TOGETHER: together, "consumers/history": None},
    "daphne with redis": {"sandbox/layers/pub_sub": pub_sub},
    "daphne with redis and devices": {
        "consumers/rooms": None,
        "consumers/mqtt/echo_*": devices,
        "consumers/mqtt/bridge": bridge,
    },
    "daphne with redis and workers": {"consumers/rooms": None, "consumers/worker": workers},
    "uvicorn": {"routing/ending": ending},
    "hypercorn": {"routing/hypercorn": hypercorn},
}
"""By server: the entries of its project, and what is looked at; None where it is only needed."""

ADDRESS = {
    "daphne": ("-b", "127.0.0.1", "-p", "{port}"),
    "uvicorn": ("--host", "127.0.0.1", "--port", "{port}"),
    "hypercorn": ("--bind", "127.0.0.1:{port}"),
}


class Sites:
    """Projects, each made and started when it is first asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.running: dict[str, Site] = {}
        self.blank = folder / "blank"
        self.blank.mkdir()
        (command,) = re.findall("`python (-m django startproject .*?)`", PAGE.read_text())
        start = [sys.executable, *command.split()]
        subprocess.run(start, cwd=self.blank, check=True, env=environment())

    def running_at(self, name: str, redis_url: str, broker_url: str) -> Site:
        if name not in self.running:
            folder = self.folder / name
            make_project(self.blank, folder, tuple(PROMISES[name]), redis_url)
            if "routing/session" in PROMISES[name]:
                with (folder / "mysite" / "settings.py").open("a") as settings:
                    settings.write('DATABASES["default"]["NAME"] = BASE_DIR / "missing" / "db"\n')
            if {"consumers/history", "consumers/worker", TOGETHER} & PROMISES[name].keys():
                migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
                subprocess.run(migrate, cwd=folder, check=True, env=environment())
            server = self.stack.enter_context(self.serve(name, folder))
            self.running[name] = Site(server, folder, broker_url)
        return self.running[name]

    def serve(self, name: str, folder: Path) -> Any:
        program, port = name.split(maxsplit=1)[0], free_port()
        options = (option.format(port=port) for option in ADDRESS[program])
        command = [sys.executable, "-m", program, *options, "mysite.asgi:application"]
        request = b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        without = ("DJANGO_SETTINGS_MODULE",)
        return listening(name, command, port, request, without=without, folder=folder)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with ExitStack() as stack:
        yield Sites(tmp_path_factory.mktemp("copying"), stack)


@pytest.mark.parametrize(
    ("project", "check"),
    [
        pytest.param(project, check, id=f"{project}-{name}")
        for project, names in PROMISES.items()
        for name, check in names.items()
        if check
    ],
)
def test_a_copy_keeps_its_promise(
    project: str, check: Check, sites: Sites, request: pytest.FixtureRequest
) -> None:
    """In a fresh project, made as the page says, a file does what it is for."""
    redis: Redis | None = request.getfixturevalue("redis") if "redis" in project else None
    broker: Mosquitto | None = (
        request.getfixturevalue("mosquitto") if "devices" in project else None
    )
    site = sites.running_at(project, redis.url if redis else "", broker.url if broker else "")

    check(site)

    assert "Traceback" not in site.server.log()


def test_a_copy_takes_larger_messages_with_other_limits() -> None:
    """With the setting that docs/contract.md shows, a message that was too large is answered."""
    page = (ROOT / "docs" / "contract.md").read_text()
    (block,) = re.findall(r"<!-- limits -->\n```python\n(.*?)```", page, re.DOTALL)
    settings: dict[str, Any] = {}
    exec(block, settings)  # noqa: S102 # our own
    message = b'{"message":"%s"}' % (b"x" * 199_980)

    assert encode(answer(decode(message, Limits()))).find("too_large") > 0
    assert encode(answer(decode(message, settings["LIMITS"]))) == message.decode()


def test_each_section_has_a_promise() -> None:
    """Each section of the page is tried, and nothing else."""
    tried = {name for checks in PROMISES.values() for name, check in checks.items() if check}
    assert tried == ENTRIES.keys()


def test_names_what_an_async_room_does_not_need() -> None:
    """The files that may be left out are those of other types, which nothing else imports."""
    sentence = re.search(r"does not need (.*?)\. `publish", PAGE.read_text(), re.DOTALL)
    assert sentence
    not_needed = set(re.findall(r"\w+\.py", sentence[1]))
    files = [Path("consumers/rooms/async_websocket.py"), *ENTRIES[TOGETHER].files]
    others = [file for file in files if file.parts[0] != "consumers" or file == files[0]]
    needed = {file.name for file in (*others, *with_it(others)) if file.parts[1] == "rooms"}

    assert needed | not_needed == {file.name for file in files_of("consumers/rooms/*.py")}
    assert not needed & not_needed
