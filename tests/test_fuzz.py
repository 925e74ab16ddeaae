"""Anything at all over a plain socket: the server lives, and other clients are served as before.

One property for each server. What a server raises by itself is declared below.
"""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings

from sandbox.processes.migration import migrate
from sandbox.processes.server_log import ServerLog, is_ours
from sandbox.processes.servers import ROOT, Server, installed, serve
from sandbox.wire import http, websocket
from sandbox.wire.stream import Stream, open_stream
from tests.support.harness import examples_tried
from tests.support.hostile import HI, Conversation, conversations

ANSWER_SECONDS = 0.02
"""How long a client waits for an answer that may never come."""
DEADLINE_SECONDS = 20.0
"""For what has to happen, on a machine however slow."""
EXAMPLES = max(30, settings().max_examples // 20)
"""Fewer than other properties have: each opens several connections."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A traceback that is not ours, and why."""

    reason: str
    link: str
    traceback: str
    """A pattern of the line that names the exception."""


DJANGO = Declared(
    "Django logs each refused Host with a traceback, and answers 400.",
    "https://github.com/django/django/pull/19762",
    r"DisallowedHost: Invalid HTTP_HOST header",
)
DECLARED: dict[str, tuple[Declared, ...]] = {
    "daphne": (DJANGO,),
    "uvicorn": (
        DJANGO,
        Declared(
            "A response to a client that has left raises, here in a page of Django's.",
            "https://github.com/Kludex/uvicorn/issues/1480",
            r"RuntimeError: unable to perform operation on <TCPTransport closed=True",
        ),
        Declared(
            "A text message that is not UTF-8 is decoded without care. The connection ends.",
            "https://github.com/Kludex/uvicorn/pull/2540",
            r"UnicodeDecodeError: 'utf-8' codec can't decode byte",
        ),
        Declared(
            "A handshake that websockets refuses, or a frame that breaks the rules after the close,"
            " is answered in a state in which there is nothing to close. The connection ends.",
            "https://github.com/Kludex/uvicorn/pull/2540",
            r"websockets.exceptions.InvalidState: connection is connecting|AssertionError$",
        ),
    ),
    "hypercorn": (DJANGO,),
    "granian": (DJANGO,),
}


@dataclass
class Target:
    """A server that is started again when it has died, so that a failure can be made smaller."""

    name: str
    database: str
    application: str = "sandbox.asgi:application"
    _stack: ExitStack = field(default_factory=ExitStack)
    _server: Server | None = None

    def running(self) -> tuple[Server, ServerLog]:
        if self._server is None or self._server.process.poll() is not None:
            self.close()
            environment = {"DATABASE_URL": self.database, "LOG_LEVEL": "INFO"}
            self._server = self._stack.enter_context(
                serve(self.name, environment=environment, application=self.application)
            )
            self.log = ServerLog(self._server.log_file)
            self._stack.callback(self.log.close)
            self.known: set[str] = set()
            """Connections that are known to have no pair."""
        return self._server, self.log

    def unpaired(self) -> list[str]:
        return [one for one in self.log.unpaired() if one not in self.known]

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('fuzz') / 'db.sqlite3'}"
    migrate(url)
    return url


@pytest.fixture(scope="module", params=installed())
def target(request: pytest.FixtureRequest, database: str) -> Iterator[Target]:
    target = Target(request.param, database)
    yield target
    target.close()


async def play(url: str, conversation: Conversation) -> None:
    async with open_stream(url, None) as stream:
        for segment in conversation.segments:
            await stream.write(segment)
            if conversation.listens:
                await listen(stream)
        match conversation.ending:
            case "half-close":
                stream.half_close()
                await listen(stream)
            case "reset":
                stream.reset()


async def listen(stream: Stream) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            await stream.read()


async def attack(target: Target, conversation: Conversation) -> None:
    server, log = target.running()
    async with websocket(f"{server.url}/echo/websocket/") as neighbour:
        await play(server.url, conversation)
        await neighbour.send(HI)
        assert await neighbour.receive(DEADLINE_SECONDS) == HI
        response = await http("POST", f"{server.url}/echo/async-http/", body=HI.encode())
        assert (response.status, response.body) == (200, HI.encode())
    assert server.process.poll() is None, "the server has ended"

    declared = DECLARED[target.name]
    deadline = time.monotonic() + DEADLINE_SECONDS
    while target.unpaired() and time.monotonic() < deadline:
        await asyncio.sleep(0.005)
    left = target.unpaired()
    target.known.update(left)
    tracebacks = undeclared(log.tracebacks, declared)
    log.tracebacks.clear()
    assert not left, f"without its end, or its beginning: {left}"
    assert not tracebacks, "\n".join(tracebacks)


def undeclared(tracebacks: Sequence[str], declared: Sequence[Declared]) -> list[str]:
    patterns = [one.traceback for one in declared]
    last = [(one, one.splitlines()[-1]) for one in tracebacks]
    return [
        one for one, line in last if is_ours(one) or not any(re.search(p, line) for p in patterns)
    ]


@settings(max_examples=EXAMPLES, derandomize=True)  # the same each time, on every machine
@given(conversation=conversations())
def test_no_client_harms_another(target: Target, conversation: Conversation) -> None:
    """Whatever a client sends, others are answered, all connections end, and nothing raises."""
    examples_tried[f"hostile conversations with {target.name}"] += 1
    asyncio.run(attack(target, conversation))


def test_an_end_that_is_missing_is_noticed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The property fails for an application that does not say all of its ends."""
    monkeypatch.setattr(f"{__name__}.DEADLINE_SECONDS", 1.0)
    quiet = Conversation((b"GET / HTTP/1.1\r\n\r\n",), listens=True, ending="leave")
    with closing(Target("daphne", database, "tests.support.leaky:application")) as target:
        for _ in range(2):  # the first end is missing
            with pytest.raises(AssertionError, match="without its end"):
                asyncio.run(attack(target, quiet))


def test_what_is_raised_is_noticed() -> None:
    """A traceback counts if it was raised here, or if its last line is not a declared one."""
    first = 'Traceback (most recent call last):\n  File "a.py", line 1, in a\n'
    ours = f"{first}ValueError: no"
    theirs = f"{first}django.core.exceptions.DisallowedHost: Invalid HTTP_HOST header: 'x'."

    here = theirs.replace("a.py", str(ROOT / "routing" / "urls.py"))

    assert undeclared([ours, theirs, here], DECLARED["daphne"]) == [ours, here]
