"""``manage.py checkup``: what it exits with, what it says, what it leaves behind."""

import asyncio
import json
import os
import re
import shlex
import ssl
import subprocess
import sys
from contextlib import AbstractContextManager
from io import StringIO
from pathlib import Path

import pytest
import trustme
import yaml
from django.core.management import CommandError, call_command, load_command_class
from django.core.management.base import BaseCommand

from sandbox.checkup.acquaintance import meet
from sandbox.checkup.check import GRADES
from sandbox.checkup.client import Caller, without_secrets
from sandbox.checkup.plan import CHECKS, plan
from sandbox.checkup.target import Manner, Target
from sandbox.processes.servers import ROOT, Server, free_port
from sandbox.wire import Trace
from tests.support.tcp import in_a_thread, tcp_server

FEW = ("--check", "foreign-origin", "--check", "not-json", "--check", "close")


def checkup(*arguments: str | Path) -> tuple[str, str, int]:
    """Run the command here; return what it prints, what it says first, and its exit status."""
    out, said = StringIO(), StringIO()
    try:
        call_command("checkup", *arguments, stdout=out, stderr=said)
    except SystemExit as ended:
        return out.getvalue(), said.getvalue(), int(str(ended.code))
    except CommandError as error:
        return out.getvalue(), said.getvalue() + str(error), error.returncode
    return out.getvalue(), said.getvalue(), 0


def listener(*answers: bytes, tls: ssl.SSLContext | None = None) -> AbstractContextManager[int]:
    """A server that gives these bytes to each client, whatever it asks, and then says nothing."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            writer.write(answer)
        await reader.read(-1)
        writer.close()

    return in_a_thread(tcp_server(handle, tls))


# Good input.


def test_a_url_is_checked_up_on(daphne: Server) -> None:
    """It says first what it will do, then what it found, and fails where something is bad."""
    url = f"{daphne.url}/ws/chat/"
    out, said, status = checkup(url, *FEW)
    assert status == 1, said
    assert said.startswith(f"Checkup of ws://127.0.0.1:{daphne.port}/ws/chat/. 3 checks")
    assert re.search(r"BAD +not-json", out)
    assert "consumers/contract.py" in out
    assert re.search(r"good +foreign-origin +refused 403", out)


def test_the_documentation_shows_what_it_prints(
    daphne: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/checkup.md has the output of its first command, but for the host and the time."""
    document = (ROOT / "docs" / "checkup.md").read_text()
    (block,) = re.findall(r"<!-- printed -->\n```console\n\$ (.*?)```", document, re.DOTALL)
    command, _, shown = block.replace("127.0.0.1:8000", f"127.0.0.1:{daphne.port}").partition("\n")
    monkeypatch.setenv("COLUMNS", "80")
    out, _, _ = checkup(*shlex.split(command.partition(" checkup ")[2]))

    assert [_timeless(line) for line in out.split("\n")] == [
        _timeless(line) for line in shown.split("\n")
    ]
    assert f"makes {len(CHECKS)} checks" in document


def _timeless(line: str) -> str:
    return re.sub(r"in [\d.]+ s\.$", "in # s.", line.rstrip())


def test_a_grade_decides_the_exit_status(websockets_echo: str) -> None:
    """A note fails only where that is asked for."""
    noted = (websockets_echo, "--check", "other-host")
    assert checkup(*noted)[2] == 0
    assert checkup(*noted, "--fail-on", "note")[2] == 1
    assert checkup(websockets_echo, "--check", "not-json", "--fail-on", "note")[2] == 0


def test_how_it_is_spoken_to_can_be_said(daphne: Server) -> None:
    """The request, the look of its answer, headers, cookies and origin are those that are given."""
    out, said, status = checkup(
        f"ws://127.0.0.1:{daphne.port}/scope/websocket/",
        *("--send", "anything", "--reply", r'"user"', "--header", "X-Mine: 1"),
        *("--cookie", "a=b", "--cookie", "c=d", "--origin", daphne.url, "--timeout", "1"),
    )
    assert status == 2
    assert "does not answer --send: nothing that --reply matches came" in said
    assert not out
    out, said, status = checkup(
        f"ws://127.0.0.1:{daphne.port}/echo/websocket/",
        *("--send", '{"message": ["ho"]}', "--reply", r"\bho\b", "--check", "order"),
    )
    assert status == 0, said
    assert "50 of 50 answered, in order" in out


def test_what_belongs_to_others_is_not_loaded() -> None:
    """Off loopback nothing floods or stalls, unless the user says that it is theirs."""
    target = Target("ws://192.0.2.1/ws/", Manner())
    assert not target.may_be_loaded
    assert Target("ws://localhost:1/ws/", Manner()).may_be_loaded
    assert Target("ws://192.0.2.1/ws/", Manner(is_mine=True)).may_be_loaded
    gentle = plan(Manner(), may_load=False)
    assert {check.id for check in gentle.left_out} == {
        *("deep", "large", "neighbours-under-load", "neighbours-under-slow", "over-cap"),
        *("never-reads", "flood"),
    }
    assert gentle.size < 1_000_000
    assert gentle.messages < 1_000
    assert "nothing floods or stalls" in str(gentle)


def test_what_is_left_out_is_said(websockets_echo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out is named first, with the option that includes it, and is in the report."""
    monkeypatch.setattr("sandbox.checkup.target.is_loopback", lambda _: False)
    asked = (websockets_echo, "--check", "flood", "--check", "close")
    out, said, status = checkup(*asked)
    assert status == 0
    assert "is left out: flood. --yes-it-is-mine includes it." in said
    assert re.search(r"skipped +flood +not looked at", out)
    assert "1000 of 1000 answered" in checkup(*asked, "--yes-it-is-mine")[0]


def test_an_application_is_started_in_its_folder(tmp_path: Path) -> None:
    """An application of another folder, with settings of its own, is started and seen to fail."""
    (tmp_path / "mine.py").write_text(
        "import os\n"
        "assert 'DJANGO_SETTINGS_MODULE' not in os.environ\n"
        "async def application(scope, receive, send):\n"
        "    while (event := await receive())['type'] != 'websocket.disconnect':\n"
        "        if event['type'] == 'websocket.connect':\n"
        "            await send({'type': 'websocket.accept'})\n"
        "        else:\n"
        "            await send({'type': 'websocket.send', 'text': str(int(event['text']))})\n"
    )
    written = tmp_path / "report.json"
    servers = ("--server", "daphne", "--server", "uvicorn")
    out, said, status = checkup(
        *("--app", "mine:application", "--path", "/", "--folder", tmp_path, *servers),
        *("--python", sys.executable, "--send", "7", "--check", "not-json", "--json", written),
    )
    assert status == 1, said
    assert "on daphne (python 3." in out
    assert "on uvicorn (python 3." in out
    assert "ValueError: invalid literal for int()" in out
    first, second = json.loads(written.read_text())["consumers"]
    assert first["findings"][0]["raised"]["file"] == "mine.py"
    assert first["findings"][0]["raised"]["line"] == 8
    assert second["findings"][0]["outcome"]["closed"] == 1006


# Secrets.


def test_no_secret_is_shown(websockets_echo: str) -> None:
    """Passwords, tokens, cookies and headers are in no report and in no error."""
    manner = Manner(
        headers=(("Authorization", "Bearer hush"), ("Cookie", "sessionid=hush")),
        subprotocols=("chat", "hush"),
    )
    target = Target.of(websockets_echo.replace("//", "//me:hush@") + "/?token=hush", manner)
    trace = Trace()

    async def look() -> None:
        caller = Caller(target)
        await meet(caller)
        async with caller.open(trace):
            pass

    asyncio.run(look())
    assert "hush" in "".join(event.excerpt for event in trace.events)
    assert "hush" not in "".join(without_secrets(event).excerpt for event in trace.events)
    assert target.name == websockets_echo + "/"
    _, said, status = checkup(f"ws://me:hush@127.0.0.1:{free_port()}/?token=hush")
    assert status == 2
    assert "hush" not in said


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give a URL such as ws://127.0.0.1:8000/ws/chat/, or --app."),
        (["localhost:8000"], "'localhost:8000' is not a URL"),
        (["ftp://localhost/"], "is not a URL"),
        (["ws://localhost:99999/"], "is not a URL"),
        (["ws://[::1/"], "is not a URL"),
        (["ws://local host/"], "is not a URL"),
        (["ws://no-such-host.invalid/"], "does not answer"),
        (["ws://a..b/"], "does not answer: 'a..b' is not a host name"),
        (["ws://localhost/", "--reply", "("], "--reply is not a regular expression"),
        (["ws://localhost/", "--header", "Authorization"], "'Authorization' is not a header"),
        (["ws://localhost/", "--header", "X: a\r\nY: b"], "'X' is not a header"),
        (["ws://localhost/", "--cookie", "a"], "'a' is not a cookie"),
        (["ws://localhost/", "--origin", "a\nb"], "--origin has a character"),
        (["ws://localhost/", "--subprotocol", "a b"], "--subprotocol has a character"),
        (["ws://localhost/", "--timeout", "0"], "--timeout must be over 0, and at most 60 seconds"),
        (["ws://localhost/", "--check", "nil"], "There is no check 'nil': choose from round-trip"),
        (["ws://localhost/", "--path", "/ws/"], "--path can only be given with --app"),
        (["ws://localhost/", "--json", "/no/such/folder/r.json"], "cannot be written"),
        (["ws://localhost/", "--app", "a:b"], "Give a URL or --app, not both"),
        (["ws://localhost/", "--folder", "/"], "--folder can only be given with --app"),
        (["--app", "a:b"], "give the --path of the consumer"),
        (["--app", "a b", "--path", "/"], "'a b' is not an application"),
        (["--app", "a:b", "--path", "/", "--folder", "/no/such"], "/no/such is not a folder"),
        (["--app", "a:b", "--path", "/", "--python", "/no/python"], "/no/python does not run"),
        (["--app", "a:b", "--path", "/", "--server", "nginx"], "There is no server 'nginx'"),
        (
            ["--app", "no:b", "--path", "/", "--server", "daphne", "--server", "nginx"],
            "There is no server 'nginx'",
        ),
        (["--app", "no_such:b", "--path", "/"], "no_such:b does not import: ModuleNotFoundError"),
        (["--app", "sandbox.asgi:nil", "--path", "/"], "has no attribute 'nil'"),
    ],
    ids=lambda value: (
        " ".join(value).encode("unicode_escape").decode() if isinstance(value, list) else ""
    ),
)
def test_bad_input_gets_a_sentence(arguments: list[str], sentence: str) -> None:
    """What is wrong is said in one sentence, and the exit status is 2."""
    out, said, status = checkup(*arguments)
    assert status == 2
    assert not out
    assert sentence in said
    assert "Traceback" not in said


def test_a_url_that_does_not_answer_as_it_should_gets_a_sentence(daphne: Server) -> None:
    """One that refuses, redirects, closes or does not know the request is said to do so."""
    url = f"ws://127.0.0.1:{daphne.port}"
    asked = ("--timeout", "1")
    hint = "Give a request that it answers: --send '...'."
    for address, sentence in (
        (f"ws://127.0.0.1:{free_port()}/", "does not answer"),
        (f"{url}/nowhere/", "refuses the handshake with HTTP 403"),
        (f"{url}/scope/websocket/", f"nothing came within 1 s. {hint}"),
    ):
        _, said, status = checkup(address, *asked)
        assert status == 2, address
        assert sentence in said
    _, said, status = checkup(f"{url}/ws/chat/", "--send", "{", *asked)
    assert status == 2
    assert "does not answer --send: it ends the connection with 1011" in said


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "sends nothing within 0.5 s"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak WebSocket"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "answers with HTTP 200"),
        (
            b"HTTP/1.1 301 \r\nLocation: https://a.test/?token=hush\r\nContent-Length: 0\r\n\r\n",
            "redirects (301) to https://a.test/: give that URL",
        ),
        (
            b"\r\n".join(
                (
                    b"HTTP/1.1 101 Switching Protocols",
                    b"Upgrade: websocket",
                    b"Connection: Upgrade",
                    b"Sec-WebSocket-Accept: wrong\r\n\r\n",
                )
            ),
            "does not speak WebSocket: invalid Sec-WebSocket-Accept header",
        ),
    ],
    ids=["silent", "ssh", "http", "redirect", "wrong-accept"],
)
def test_what_is_no_websocket_gets_a_sentence(answer: bytes, sentence: str) -> None:
    """A server that is silent, redirects, or speaks something else is said to do so."""
    with listener(answer) as port:
        _, said, status = checkup(f"ws://127.0.0.1:{port}/ws/", "--timeout", "0.5")
    assert status == 2
    assert sentence in said
    assert "hush" not in said


def test_a_certificate_has_to_fit() -> None:
    """A certificate of another authority is refused, unless --insecure accepts any."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("example.com").configure_cert(context)
    with listener(b"HTTP/1.1 204 No Content\r\n\r\n", tls=context) as port:
        url = f"wss://localhost:{port}/ws/"
        _, said, status = checkup(url)
        assert status == 2
        assert f"The certificate of wss://localhost:{port}/ws/ is not valid: " in said
        assert "--insecure accepts any." in said
        _, said, status = checkup(url, "--insecure")
        assert status == 2
        assert "answers with HTTP 204" in said
        _, said, status = checkup(f"ws://localhost:{port}/ws/", "--timeout", "1")
        assert status == 2


def test_tls_has_to_be_spoken() -> None:
    """A server without TLS at a wss URL is said to speak none."""
    with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        _, said, status = checkup(f"wss://127.0.0.1:{port}/ws/chat/")
    assert status == 2
    assert "does not speak TLS" in said


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    """An application that cannot be used is ended, whatever is wrong with it."""
    (tmp_path / "refuses.py").write_text(
        "import os, pathlib\n"
        "pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "async def application(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'websocket.close'})\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "manage.py", "checkup", "--app", "refuses:application"),
            *("--path", "/", "--folder", tmp_path, "--python", sys.executable),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stdout
    assert "refuses the handshake with HTTP 403" in done.stderr
    pid = (tmp_path / "pid").read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_the_docs_name_each_option_and_grade() -> None:
    """The page about checkup has each option and grade, and its workflow is one."""
    text = (ROOT / "docs" / "checkup.md").read_text()
    parser = load_command_class("sandbox", "checkup").create_parser("manage.py", "checkup")
    usual = vars(BaseCommand().create_parser("manage.py", "any").parse_args([]))
    options = [
        action.option_strings[-1]
        for action in parser._actions  # noqa: SLF001 # argparse has no other list
        if action.option_strings and action.dest not in {*usual, "help", "version"}
    ]
    assert len(options) == 20
    assert [one for one in options if one not in text] == []
    assert all(f"\n| {grade} |" in text for grade in GRADES)
    workflow = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    steps = workflow["jobs"]["checkup"]["steps"]
    arguments = steps[-1]["run"].split()[2:]
    assert arguments[0] == "checkup"
    assert parser.parse_args(arguments[1:]).app == "mysite.asgi:application"


def test_compare_names_checkup(daphne: Server, websockets_echo: str) -> None:
    """A path in the URL of compare that is no prefix of this project leads to checkup."""
    with pytest.raises(CommandError, match=r"/ws/chat, .*manage\.py checkup") as error:
        call_command("compare", "--url", f"{daphne.url}/ws/chat/")
    assert error.value.returncode == 2
    with pytest.raises(CommandError, match=r"manage\.py checkup"):
        call_command("compare", "--url", f"{websockets_echo}/ws/")
