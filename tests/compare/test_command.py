"""``manage.py compare``: what it exits with, what it says, what it leaves behind."""

import json
import os
import re
import ssl
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
import trustme
from django.core.management import CommandError, call_command

from sandbox.compare.run import started
from sandbox.processes.servers import ROOT, Server, free_port, installed
from tests.compare.conftest import scratch_copy
from tests.support.relay import Relay
from tests.support.tcp import in_a_thread, tcp_server


def compare(
    *arguments: str | Path, tree: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "compare", *arguments],
        cwd=tree,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, to break."""
    return scratch_copy(tmp_path_factory.mktemp("tree"))


def break_in(tree: Path, file: str, old: str, new: str) -> None:
    source = (tree / file).read_text()
    assert source.count(old) == 1
    (tree / file).write_text(source.replace(old, new))


@pytest.fixture(scope="module")
def broken(tree: Path) -> subprocess.CompletedProcess[str]:
    """A run over exhibits each of which is broken in a way of its own."""
    break_in(
        tree,
        "consumers/echo/json_websocket.py",
        "self.send_json(answer(content))",
        "self.send_json(answer(content) if answer(content).get('message', 1) else {})",
    )
    break_in(
        tree,
        "consumers/echo/websocket.py",
        "self.send(encode(answer(request)))",
        "self.send(encode(answer(request)).replace('9' * 5000, '9' * 2500 + '8' + '9' * 2499)"
        ".replace('Not JSON', 'No JSON'))",
    )
    break_in(
        tree,
        "consumers/echo/async_websocket.py",
        "        if request.delay:",
        "        if getattr(request, 'message', 0) is None:\n            await sleep(1000)\n"
        "        if request.delay:",
    )
    learned = (tree / "consumers/echo/async_http.py").read_text()
    (tree / "consumers/tutorial/async_http.py").write_text(
        learned.replace("class EchoConsumer", "class ChatConsumer")
    )
    break_in(tree, "sandbox/compare/engine.py", "CELL_SECONDS = 20.0", "CELL_SECONDS = 3.0")
    probes = ("true", "zero", "digits-5000", "truncated", "null", "nan")
    asked = [part for probe in probes for part in ("--probe", probe)]
    return compare("echo", "tutorial/async-http", *asked, tree=tree)


# Good input.


def test_all_is_well_with_echo(tmp_path: Path) -> None:
    """Echo is compared on Daphne, whatever the environment says of limits and of Redis."""
    paths = {name: tmp_path / f"report.{name}" for name in ("json", "html", "markdown")}
    done = compare(
        *("--probe", "depth-at", "--probe", "ping", "--probe", "close-1001"),
        *(part for name, path in paths.items() for part in (f"--{name}", path)),
        MAX_DEPTH="5",
        DEBUG="0",
        SECRET_KEY="x" * 50,
        ALLOWED_HOSTS="example.com",
        REDIS_URL=f"redis://127.0.0.1:{free_port()}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The Redis of REDIS_URL does not answer" in done.stderr
    assert "Comparing" not in done.stderr
    assert "\x1b" not in done.stdout
    assert re.search(r"echo on daphne \d", done.stdout)
    assert re.search(r"depth-at +same +same +same +same +same", done.stdout)
    assert re.search(r"ping +same +same +same +same +n/a", done.stdout)
    assert "Only WebSockets have frames. (1)" in done.stdout
    assert json.loads(paths["json"].read_text())["summary"]["same"] == 13
    assert "Comparison of echo" in paths["html"].read_text()
    assert "| Limits (1) | same | same |" in paths["markdown"].read_text()


def test_a_url_is_compared_but_for_what_only_a_log_shows(daphne: Server) -> None:
    """At a URL no server is started; what only a log can show is skipped, with the reason."""
    said = StringIO()
    call_command(
        *("compare", "echo/websocket", "--url", daphne.url.replace("http", "ws")),
        *("--probe", "null", "--probe", "close-1000"),
        stdout=said,
    )
    assert re.search(r"null +same", said.getvalue())
    assert re.search(r"close-1000 +n/a", said.getvalue())
    assert "It is seen in the server's own log only" in said.getvalue()


@pytest.mark.skipif("uvicorn" not in installed(), reason="Uvicorn is not installed.")
def test_the_server_of_a_url_is_known_by_its_header() -> None:
    """A deployment on Uvicorn is held to what Uvicorn does, unless another is named."""
    command = ("compare", "echo/websocket", "--probe", "close-answer")
    with started("uvicorn") as target:
        said = StringIO()
        call_command(*command, "--url", target.url, stdout=said)
        assert "seen: closed 4000" in said.getvalue()
        with pytest.raises(SystemExit) as ended:
            call_command(*command, "--url", target.url, "--server", "daphne", stdout=StringIO())
        assert ended.value.code == 1


@pytest.fixture
def tls(daphne: Server, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """What stands in front of most deployments: TLS. Its URL, and whom to trust for it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with in_a_thread(Relay(daphne.url, context)) as relay:
        yield f"https://localhost:{relay.port}", tmp_path / "authority.pem"


@pytest.mark.parametrize("scheme", ["https", "wss"])
def test_a_url_may_be_behind_tls(
    scheme: str, tls: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment with a certificate is compared if the certificate is trusted, and only then."""
    url, authority = tls
    command = (
        *("compare", "echo/websocket", "echo/async-http", "mirror/asgi"),
        *("--probe", "null", "--probe", "origin-own", "--probe", "get", "--probe", "autobahn-2.1"),
        *("--probe", "half-closed"),
        *("--url", url.replace("https", scheme)),
    )
    with pytest.raises(CommandError, match=r"does not answer: .*certificate verify failed"):
        call_command(*command)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    said = StringIO()
    call_command(*command, stdout=said)
    assert re.search(r"null +same +same", said.getvalue())
    assert re.search(r"origin-own +same +n/a", said.getvalue())
    assert re.search(r"get +n/a +same", said.getvalue())
    assert re.search(r"autobahn-2\.1 +n/a", said.getvalue())
    assert re.search(r"half-closed +n/a +n/a", said.getvalue())


def test_an_earlier_run_changes_nothing() -> None:
    """A deployment whose rooms remember is as it should be when it is compared again."""
    with started("daphne") as target:
        for _ in range(2):
            done = compare("history/websocket", "--probe", "too-old", "--url", target.url)
            assert done.returncode == 0, done.stdout + done.stderr


# Differences.


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n{no}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n\xff[1]",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["no JSON", "no UTF-8", "no HTTP"],
)
def test_a_server_that_answers_anything_else_is_seen(answer: bytes) -> None:
    """Whatever a server answers with, each probe shows it, and none ends the run."""

    async def handle(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(ConnectionError):
            is_first = (await reader.read(65_536)).startswith(b"GET / ")  # to see what is there
            writer.write(b"HTTP/1.1 204 \r\n\r\n" if is_first else answer)
            await writer.drain()
            writer.close()

    said = StringIO()
    with in_a_thread(tcp_server(handle)) as port, pytest.raises(SystemExit) as ended:
        call_command(
            *(
                "compare",
                "echo/async-http",
                "scope/async-http",
                "--url",
                f"http://127.0.0.1:{port}",
            ),
            *("--probe", "half-closed", "--probe", "scope", "--probe", "get"),
            stdout=said,
        )
    assert ended.value.code == 1
    assert "3 DIFFERS" in said.getvalue()


def test_a_mutant_is_seen(broken: subprocess.CompletedProcess[str]) -> None:
    """A consumer that loses falsy messages turns its cell red, which says what came instead."""
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert re.search(r"true +same +same +same +same +same", broken.stdout)
    assert re.search(r"zero +same +same +DIFFERS +same +same", broken.stdout)
    differences = broken.stdout.partition("Differences")[2]
    assert "echo/json-websocket on daphne\n  probes: null, zero\n  seen: {}\n" in differences


def test_a_difference_inside_a_long_message_is_seen(
    broken: subprocess.CompletedProcess[str],
) -> None:
    """What is cut out of the words for a reply counts all the same, and is shown."""
    assert re.search(r"digits-5000 +DIFFERS +same +same +same +same", broken.stdout)
    assert "“8999" in broken.stdout


def test_another_detail_is_seen(broken: subprocess.CompletedProcess[str]) -> None:
    """An exhibit whose error has a detail of its own differs from the others."""
    assert re.search(r"truncated +DIFFERS +same +same +same +same", broken.stdout)
    assert "seen: error invalid_json: No JSON" in broken.stdout
    assert "The others say: Not JSON" in broken.stdout


def test_an_exhibit_that_hangs_costs_its_own_cell(
    broken: subprocess.CompletedProcess[str],
) -> None:
    """A reply that never comes is a time-out of one cell; the others go on."""
    assert re.search(r"null +same +DIFFERS +DIFFERS +same +same", broken.stdout)
    assert "seen: nothing within 3 s" in broken.stdout


def test_a_declaration_that_no_longer_holds_is_seen(
    broken: subprocess.CompletedProcess[str],
) -> None:
    """A tutorial that has learned better fails until its declaration goes."""
    assert re.search(r"nan +DIFFERS\n", broken.stdout)
    assert '“{"message": NaN}” is declared' in broken.stdout


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "given", "possible"),
    [
        (["ecko"], "'ecko'", "echo/json-websocket"),
        (["echo/carrier-pigeon"], "'echo/carrier-pigeon'", "tutorial"),
        (["echo", "--probe", "null", "ecko"], "'ecko'", "echo/json-websocket"),
        (["--probe", "nil"], "'nil'", "null"),
        (["mirror", "--probe", "autobahn-8.*"], "'autobahn-8.*'", "autobahn-9.1.1"),
        (["--server", "nginx"], "'nginx'", "daphne, uvicorn, hypercorn, granian"),
        (["--url", "localhost"], "'localhost'", "http://127.0.0.1:8000"),
        (["--url", "http://127.0.0.1:1"], "http://127.0.0.1", "does not answer"),
        (["--url", "http://a..b"], "'a..b'", "not a host name"),
        (["--url", "https://no-such-host.invalid"], "no-such-host.invalid", "does not answer"),
        (["--url", "http://[::1"], "'http://[::1'", "http://127.0.0.1:8000"),
        (["--url", "http://127.0.0.1:99999"], "99999", "http://127.0.0.1:8000"),
        (["--url", "http://127.0.0.1:1/?a=b"], "?a=b", "http://127.0.0.1:8000"),
        (["--url", "http://me:secret@127.0.0.1:1"], "'http://…@127.0.0.1:1'", "8000"),
        (["--json", "/no/such/folder/report.json"], "/no/such/folder/report.json", "written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_gets_a_sentence(arguments: list[str], given: str, possible: str) -> None:
    """What was given and what is possible is said in a sentence, and the exit status is 2."""
    with pytest.raises(CommandError) as error:
        call_command("compare", *arguments)
    assert error.value.returncode == 2
    assert given in str(error.value)
    assert possible in str(error.value)
    assert "\n" not in str(error.value)


def test_a_server_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there is named before another one starts, with how to install it."""
    monkeypatch.setattr("sandbox.processes.servers.installed", lambda: ["daphne"])
    monkeypatch.setattr("sandbox.compare.run.serve", None)  # would run Daphne first
    with pytest.raises(CommandError, match="granian is not installed: pip install") as error:
        call_command("compare", "--server", "daphne", "--server", "granian")
    assert error.value.returncode == 2


def test_a_server_that_does_not_start_shows_its_log(
    tree: Path,
    broken: subprocess.CompletedProcess[str],  # noqa: ARG001 # it needs the tree as it was
) -> None:
    """The log of a server that ends before it answers is shown, and the exit status is 2."""
    (tree / "sandbox/asgi.py").write_text("raise RuntimeError('broken on purpose')\n")
    done = compare(tree=tree)
    assert done.returncode == 2, done.stdout
    assert "daphne ended before it answered. Its log:" in done.stderr
    assert "broken on purpose" in done.stderr
