"""What docs/deploying.md says, with its settings and commands, and nginx as it configures it."""

import asyncio
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import ExitStack, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from sandbox.compare.probes.raw_http import RAW_HTTP
from sandbox.compare.steps import SendRaw
from sandbox.processes.redis import Redis
from sandbox.processes.servers import ROOT, Server
from sandbox.wire import (
    ClosedError,
    RefusedError,
    Trace,
    event_stream,
    websocket,
)
from sandbox.wire import (
    http as request,
)
from sandbox.wire.raw_http import read_all, responses_in
from sandbox.wire.stream import Stream
from tests.support.deployment import (
    COMMANDS,
    HOST,
    TEXT,
    Nginx,
    documented,
    nginx,
    server,
    settings,
)

MIB = 1024 * 1024
CLIENT = "127.0.0.5"
"""An address of this machine that is not nginx's own."""
FORGED = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "Daphne-Root-Path": "/evil",
}
STRIPPED = {"proxy_pass http://sandbox; ": "proxy_pass http://sandbox/; "}
WITHOUT_PREFIX = {"location /app/ {": "location / {"}


def test_says_what_stands_for_each_variable_elsewhere() -> None:
    """The table for one's own project has each variable of the environment that is shown."""
    table = TEXT.partition("## In your own project")[2].partition("## Settings")[0]
    rows = re.findall(r"^\| (`[A-Z_`, ]+) \|", table, re.MULTILINE)
    variables = re.findall(r"^(\w+)=", documented("environment"), re.MULTILINE)

    assert variables
    assert {*re.findall(r"[A-Z_]+", "".join(rows))} == {*variables, "SYNC_THREADS"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables and without users."""
    path = tmp_path_factory.mktemp("database") / "db.sqlite3"
    assert manage("migrate", "--verbosity", "0", environment=settings(path)).returncode == 0
    return path


@pytest.fixture(scope="module", params=COMMANDS)
def deployment(
    request: pytest.FixtureRequest, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, dict[str, Nginx]]]:
    """Each server, and in front of it an nginx that keeps the prefix and one that strips it."""
    folders = [tmp_path_factory.mktemp(name) for name in ("kept", "stripped")]
    with server(request.param, settings(database)) as running, ExitStack() as stack:
        ports = (running.port, running.port)
        kept = stack.enter_context(nginx(folders[0], ports))
        stripped = stack.enter_context(nginx(folders[1], ports, STRIPPED))
        yield running, {"kept": kept, "stripped": stripped}


@pytest.fixture
def behind(deployment: tuple[Server, dict[str, Nginx]]) -> Server:
    return deployment[0]


@pytest.fixture(params=["kept", "stripped"])
def front(
    request: pytest.FixtureRequest,
    deployment: tuple[Server, dict[str, Nginx]],
    monkeypatch: pytest.MonkeyPatch,
) -> Nginx:
    one = deployment[1][request.param]
    monkeypatch.setenv("SSL_CERT_FILE", str(one.authority))
    return one


@pytest.mark.asyncio
async def test_the_page_and_all_that_it_names_has_the_prefix(front: Nginx) -> None:
    """Styles, scripts and links of a page lead to files and pages that are there."""
    page = (await request("GET", f"{front.url}/app/")).body.decode()
    names = set(re.findall(r'(?:href|src|data-url)="([^"#]+)', page))
    files = [name for name in names if "/static/" in name]
    links = ["/app/race/", "/app/rooms/", "/app/source/", "/app/exhibits/echo/websocket/"]

    assert len(files) >= 3
    assert [name for name in names if not name.startswith("/app/")] == []
    for name in (*files, *links):
        assert (await request("GET", front.url + name)).status == 200, name
    assert names >= set(links[:2])
    assert f"wss://localhost:{front.port}/app/echo/websocket/" in page
    assert f"https://localhost:{front.port}/app/echo/async-http/" in page


@pytest.mark.asyncio
async def test_every_kind_of_connection_passes(front: Nginx) -> None:
    """WebSockets, requests and event streams work through TLS and a prefix."""
    reply = await request("POST", f"{front.url}/app/echo/async-http/", body=b'{"message":1}')
    async with websocket(f"{front.url}/app/echo/websocket/", compression=True) as echo:
        await echo.send('{"message":"hi"}')
        assert await echo.receive() == '{"message":"hi"}'
        assert not echo.is_compressed
    room = f"{front.url}/app/rooms/lobby"
    async with (
        event_stream(f"{room}/async-http/") as stream,
        websocket(f"{room}/websocket/") as one,
    ):
        await one.send('{"message":"in the room"}')
        assert await stream.receive() == '{"message":"in the room"}'

    assert (reply.status, reply.body) == (200, b'{"message":1}')


def test_compare_reaches_the_site(front: Nginx, behind: Server) -> None:
    """The command compare, with the URL of the site and its prefix, sees the contract kept."""
    probes = ["reply-bytes", "keep-alive", "origin-own", "unknown-path"]
    if behind.name == "daphne":  # the others may end the connection early, and nginx answers 502
        probes.append("large-body")
    chosen = [argument for probe in probes for argument in ("--probe", probe)]
    call_command(
        "compare",
        "echo",
        "--url",
        f"{front.url}/app",
        "--server",
        behind.name,
        *chosen,
        stdout=StringIO(),
    )


@pytest.mark.asyncio
async def test_what_is_not_there_is_not_found(front: Nginx, behind: Server) -> None:
    """An unknown path is 404 or refused, below the prefix and, asked of the server, outside it."""
    for site in (f"{front.url}/app", f"http://localhost:{behind.port}"):
        assert (await request("GET", f"{site}/nowhere/")).status == 404
        with pytest.raises(RefusedError):
            async with websocket(f"{site}/nowhere/"):
                pass

    assert "Traceback" not in behind.log()


def scope_over_http(front: Nginx) -> Any:
    context = ssl.create_default_context(cafile=str(front.authority))
    client = http.client.HTTPSConnection(
        "localhost", front.port, source_address=(CLIENT, 0), context=context
    )
    client.request("GET", "/app/scope/async-http/?token=hunter2", headers=FORGED)
    scope = json.loads(client.getresponse().read())
    client.close()
    return scope


def scope_over_websocket(front: Nginx) -> Any:
    async def ask() -> Any:
        async with connect(
            f"wss://localhost:{front.port}/app/scope/websocket/",
            host="127.0.0.1",
            local_addr=(CLIENT, 0),
            ssl=ssl.create_default_context(cafile=str(front.authority)),
            additional_headers=FORGED,
        ) as client:
            return json.loads(await client.recv())

    return asyncio.run(ask())


@pytest.mark.asyncio
async def test_signing_in_passes_the_csrf_check(front: Nginx) -> None:
    """A form that a browser has got over HTTPS is taken for one of this site."""
    url = f"{front.url}/app/login/"
    got = await request("GET", url)
    cookie = str(got.header("set-cookie"))
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', got.body.decode())
    assert token
    headers = [
        ("Cookie", cookie.partition(";")[0]),
        ("Origin", front.url),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    form = f"username=ada&password=wrong&csrfmiddlewaretoken={token[1]}".encode()
    posted = await request("POST", url, headers=headers, body=form)
    foreign = [*headers[:1], ("Origin", "https://evil.example"), *headers[2:]]
    refused = await request("POST", url, headers=foreign, body=form)

    assert "Path=/app; " in cookie
    assert cookie.endswith("Secure")
    assert (posted.status, refused.status) == (200, 403)
    assert "Please enter a correct username" in posted.body.decode()


@pytest.mark.parametrize(
    ("ask", "scheme"), [(scope_over_http, "https"), (scope_over_websocket, "wss")]
)
def test_scope_and_log_have_the_client(front: Nginx, behind: Server, ask: Any, scheme: str) -> None:
    """Scheme and address are the client's, in scope and in the log, whatever it tries to forge."""
    scope = ask(front)

    assert scope["scheme"] == scheme
    assert scope["client"][0] == CLIENT
    assert scope["root_path"] == "/app"
    assert ["host", f"localhost:{front.port}"] in scope["headers"]
    assert "evil" not in json.dumps(scope)
    client = f"{CLIENT}:{scope['client'][1]}"
    assert re.search(
        rf"{client} {scope['path']} (connect|receive|disconnect)", behind.log(), re.MULTILINE
    )


def test_the_access_log_has_no_tokens(front: Nginx, behind: Server) -> None:
    """Query strings are in neither nginx's nor the server's access log."""
    scope_over_http(front)

    deadline = time.monotonic() + 20
    while f"{CLIENT} [" not in front.access_log.read_text():  # written after the response
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "hunter2" not in front.access_log.read_text() + behind.log()


def test_the_command_shows_that_the_site_is_there(front: Nginx) -> None:
    """The command of the page prints what it says: HTTP/2 from nginx, and the page behind it."""
    (shown,) = re.findall(r"<!-- check -->\n```console\n\$ (.*?)```", TEXT, re.DOTALL)
    command, output = shown.replace("https://sandbox.example.org", front.url).split("\n", 1)
    trusting = command.replace("curl", f"curl --cacert {front.authority}")

    done = subprocess.run(["bash", "-c", trusting], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == output.strip()


def test_plain_http_is_redirected(front: Nginx) -> None:
    """A browser that comes over plain HTTP is sent to the same URL over HTTPS."""
    client = http.client.HTTPConnection("127.0.0.1", front.plain_port)
    client.request("GET", "/app/race/?a=1", headers={"Host": "localhost"})
    response = client.getresponse()

    assert response.status == 301
    assert response.headers["Location"] == f"{front.url}/app/race/?a=1"
    client.close()


def test_a_message_right_behind_the_handshake_is_answered(front: Nginx) -> None:
    """A frame in the same segment as the handshake is answered, whatever the server does alone."""
    handshake = (
        "GET /app/echo/websocket/ HTTP/1.1\r\n"
        f"Host: localhost:{front.port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    frame = Frame(Opcode.TEXT, b'{"message":"early"}').serialize(mask=True)
    context = ssl.create_default_context(cafile=str(front.authority))
    with (
        socket.create_connection(("127.0.0.1", front.port), timeout=30) as tcp,
        context.wrap_socket(tcp, server_hostname="localhost") as client,
    ):
        client.sendall(handshake + frame)
        received = b""
        while b'{"message":"early"}' not in received:
            received += (data := client.recv(65536))
            assert data, received
    assert received.startswith(b"HTTP/1.1 101 ")


@pytest.fixture(scope="module")
def hasty(
    database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Nginx]]:
    """Granian, which never drops a silent client, behind an nginx whose waits are short."""
    changes = {"client_header_timeout 10s": "client_header_timeout 1s", "timeout 75s": "timeout 1s"}
    if "granian" not in COMMANDS:
        pytest.skip("Granian is not installed.")
    folder = tmp_path_factory.mktemp("hasty")
    with (
        server("granian", settings(database)) as one,
        nginx(folder, (one.port, one.port), changes) as site,
    ):
        yield one, site


def test_nginx_ends_a_handshake_that_drips(hasty: tuple[Server, Nginx]) -> None:
    """A client that sends a handshake byte by byte is cut off, and the server never sees it."""
    one, site = hasty
    context = ssl.create_default_context(cafile=str(site.authority))
    with (
        socket.create_connection(("127.0.0.1", site.port), timeout=30) as tcp,
        context.wrap_socket(tcp, server_hostname="localhost") as client,
    ):
        client.sendall(b"GET /app/echo/websocket/?dripping HTTP/1.1\r\nX: ")
        client.settimeout(0.1)
        deadline = time.monotonic() + 30
        with suppress(ConnectionError, ssl.SSLError):
            while True:
                assert time.monotonic() < deadline
                client.sendall(b"x")
                with suppress(TimeoutError):
                    if not client.recv(65536):
                        break
    assert "dripping" not in one.log()


@pytest.mark.asyncio
async def test_nginx_ends_a_client_that_is_dead(
    hasty: tuple[Server, Nginx], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server sends no pings, a silent client is cut off, and disconnect runs."""
    one, site = hasty
    monkeypatch.setenv("SSL_CERT_FILE", str(site.authority))
    async with websocket(f"{site.url}/app/echo/websocket/") as client:
        with pytest.raises(ClosedError):
            await client.receive()
    async with asyncio.timeout(30):
        while "/echo/websocket/ disconnect" not in one.log():
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module", params=COMMANDS)
def bare(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Each server with its own option for the prefix, no proxy in its settings, and early pings."""
    environment = settings(
        tmp_path_factory.mktemp("db") / "db.sqlite3", ROOT_PATH="", BEHIND_PROXY="false"
    )
    option = "--url-path-prefix" if request.param == "granian" else "--root-path"
    with server(request.param, environment, more=(option, "/app"), ping="1") as running:
        yield running


@pytest.mark.parametrize("path", ["", "/app"])
@pytest.mark.asyncio
async def test_a_servers_own_prefix_is_enough(bare: Server, path: str) -> None:
    """With the server's own option, links have the prefix, and no path raises."""
    site = f"http://localhost:{bare.port}"
    page = (await request("GET", f"{site}{path}/")).body.decode()
    assert 'href="/app/static/site/style.css"' in page
    assert 'data-url="/app/echo/websocket/"' in page
    assert (await request("GET", f"{site}{path}/static/site/style.css")).status == 200
    assert (await request("GET", f"{site}{path}/nowhere/")).status == 404
    async with websocket(f"{site}{path}/echo/websocket/") as echo:
        await echo.send('{"message":1}')
        assert await echo.receive() == '{"message":1}'
    with pytest.raises(RefusedError):
        async with websocket(f"{site}{path}/nowhere/"):
            pass

    assert "Traceback" not in bare.log()


@pytest.mark.asyncio
async def test_without_the_setting_forwarded_headers_are_ignored(bare: Server) -> None:
    """A client of a server without BEHIND_PROXY cannot choose its scheme, host or address."""
    forged = [*FORGED.items()][:3]
    url = f"http://localhost:{bare.port}/app/scope/async-http/"
    scope = json.loads((await request("GET", url, headers=forged)).body)

    assert (scope["scheme"], scope["client"][0]) == ("http", "127.0.0.1")
    assert ["host", f"localhost:{bare.port}"] in scope["headers"]


@pytest.mark.asyncio
async def test_a_message_may_have_what_the_table_says(bare: Server) -> None:
    """Up to the server's cap a large message is answered, over it the connection ends."""
    (row,) = re.findall(r"^\| a message may have (.*)\|$", TEXT, re.MULTILINE)
    columns = dict(zip(COMMANDS, re.findall(r"\| (\d+) MiB", row), strict=True))
    cap = int(columns[bare.name]) * MIB
    url = f"http://localhost:{bare.port}/echo/async-websocket/"
    async with websocket(url) as client:
        await client.send("x" * cap)
        assert "too_large" in str(await client.receive())
        with suppress(ConnectionError):  # it may end before all is sent
            await client.send("x" * (cap + 1))
        with pytest.raises((ClosedError, ConnectionError)):
            await client.receive()


@pytest.mark.asyncio
async def test_idle_sockets_are_pinged_as_the_table_says(bare: Server) -> None:
    """A server pings an idle socket, which nginx would end, where the table has an interval."""
    (row,) = re.findall(r"^\| pings an idle WebSocket every (.*)\|$", TEXT, re.MULTILINE)
    columns = dict(zip(COMMANDS, re.findall(r"\| (20 s|never)", row), strict=True))
    expected = columns[bare.name] == "20 s"
    trace = Trace()
    async with websocket(f"http://localhost:{bare.port}/echo/websocket/", trace=trace) as client:
        pinged = False
        deadline = time.monotonic() + (30 if expected else 2.5)  # Daphne looks every two seconds
        while not pinged and time.monotonic() < deadline:
            with pytest.raises(TimeoutError):
                await client.receive(timeout=0.1)
            pinged = any(event.kind == "ping" for event in trace.events)

    assert pinged is expected


@pytest.mark.asyncio
async def test_two_servers_are_one_site(
    tmp_path: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members of a room hear each other over two servers, and one server is enough to answer."""
    environment = settings(tmp_path / "db.sqlite3", REDIS_URL=redis.url)
    with ExitStack() as servers, ExitStack() as second:
        one = servers.enter_context(server("daphne", environment))
        two = second.enter_context(server("daphne", environment))
        site = servers.enter_context(nginx(tmp_path, (one.port, two.port)))
        monkeypatch.setenv("SSL_CERT_FILE", str(site.authority))
        room = f"{site.url}/app/rooms/lobby/websocket/"
        async with websocket(room) as member, websocket(room) as other:
            await member.send('{"message":"to both"}')
            assert await member.receive() == await other.receive() == '{"message":"to both"}'
        assert [log.count("lobby/websocket/ connect") for log in (one.log(), two.log())] == [1, 1]
        second.close()
        for _ in range(4):
            assert (await request("GET", f"{site.url}/app/race/")).status == 200


@pytest.mark.asyncio
async def test_without_a_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two changes that the page names make a site that has a host name of its own."""
    environment = settings(tmp_path / "db.sqlite3", ROOT_PATH="")
    with (
        server("daphne", environment) as one,
        nginx(tmp_path, (one.port, one.port), WITHOUT_PREFIX) as site,
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(site.authority))
        page = (await request("GET", f"{site.url}/")).body.decode()

    assert f"wss://localhost:{site.port}/echo/websocket/" in page


def manage(*command: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_is_left_to_improve(tmp_path: Path) -> None:
    """Django's check for deployments is clean with the settings of the page."""
    key = re.search(r"python3 -c '(.*)'`", TEXT)
    assert key
    secret = subprocess.check_output([sys.executable, "-c", key[1]], text=True).strip()
    environment = settings(tmp_path / "db.sqlite3", SECRET_KEY=secret)
    checked = manage("check", "--deploy", "--fail-level", "WARNING", environment=environment)

    assert checked.stdout + checked.stderr == "System check identified no issues (3 silenced).\n"


def test_the_unit_starts_what_was_tested() -> None:
    """The unit's command is Uvicorn's, with the port of the instance."""
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # how ConfigParser keeps capitals
    unit.read_string(documented("systemd"))
    service = unit["Service"]
    command = " ".join(COMMANDS["uvicorn"]).replace("8001", "%i")

    assert service["ExecStart"] == f"{service['WorkingDirectory']}/.venv/bin/{command}"
    assert service["EnvironmentFile"] in TEXT.split("<!-- environment -->")[0]


def test_settings_and_nginx_have_the_same_names() -> None:
    """The site's name and its prefix are the same in the settings as for nginx."""
    documented_settings = documented("environment").split()

    assert set(re.findall(r"server_name (\S+);", documented("nginx"))) == {HOST}
    assert re.findall(r"location (\S+) ", documented("nginx")) == ["/app/"]
    assert {f"ALLOWED_HOSTS={HOST}", "ROOT_PATH=/app"} < set(documented_settings)


RAW = {
    probe.id: step.segments
    for probe in RAW_HTTP
    for step in probe.steps
    if isinstance(step, SendRaw) and not step.half_close
}
BY_NGINX = {
    "requests-at-once": [200, 200, 200],
    "expect-continue": [100, 200],
    "absolute-target": [200],
    "gzip-and-chunks": [501],
    "bare-line-feeds": [200],
    "upgrade-with-body": [200, 200],
    "upgrade-by-post": [200, 200],
    "long-line": [414],
}
"""What is not refused with 400."""


def test_nginx_makes_all_servers_alike(deployment: tuple[Server, dict[str, Nginx]]) -> None:
    """Behind nginx each server gives the same to what it reads in its own way without."""
    site = deployment[1]["kept"]
    trust = ssl.create_default_context(cafile=str(site.authority))

    async def statuses(segments: tuple[bytes, ...]) -> list[int]:
        connection = await asyncio.open_connection("localhost", site.port, ssl=trust)
        stream = Stream(*connection, None)
        for segment in segments:
            data = segment.replace(b"{path}", b"/app/echo/async-http/")
            await stream.write(data.replace(b"{host}", b"localhost"))
        received, _ = await read_all(stream, 20.0)
        stream.abort()
        await stream.wait_closed()
        return [status for status, _ in responses_in(received)]

    async def ask() -> dict[str, list[int]]:
        seen = await asyncio.gather(*map(statuses, RAW.values()))
        return dict(zip(RAW, seen, strict=True))

    assert asyncio.run(ask()) == {id_: BY_NGINX.get(id_, [400]) for id_ in RAW}
