"""The end of every connection, whatever its client does, on every server."""

import asyncio
import re
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.frames import Frame, Opcode

from consumers.catalogue import CATALOGUE, Exhibit
from routing import ending
from routing.ending import GONE, TOO_LATE, Shutdown, ended_once
from sandbox.compare.run import started
from sandbox.processes.servers import ARGUMENTS, installed, serve

TIMEOUT = 30.0
SLOW = b'{"message": 1, "delay": 0.1}'


def frame(opcode: Opcode, payload: bytes) -> bytes:
    return Frame(opcode, payload).serialize(mask=True)


MESSAGE = frame(Opcode.TEXT, SLOW)
LARGE = frame(Opcode.TEXT, b'{"message": "' + b"x" * 60_000 + b'"}')
CLOSE = frame(Opcode.CLOSE, struct.pack("!H", 1000))
EMPTY_CLOSE = frame(Opcode.CLOSE, b"")


def reset(connection: socket.socket) -> None:
    """Let the end of the connection be a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hear(connection: socket.socket) -> None:
    """Wait for anything."""
    connection.recv(65_536)


def flood(connection: socket.socket) -> None:
    """Send until the server reads no more, and read nothing."""
    connection.settimeout(0.2)
    with suppress(TimeoutError):
        for _ in range(200):
            connection.sendall(LARGE)


def say(*segments: bytes) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        for segment in segments:
            connection.sendall(segment)

    return send


Act = Callable[[socket.socket], None]

LEAVING_A_WEBSOCKET: dict[str, tuple[Act, ...]] = {
    "close": (hear, say(CLOSE), hear),
    "close without a code": (hear, say(EMPTY_CLOSE), hear),
    "end": (hear,),
    "reset": (hear, reset),
    "close while waiting": (hear, say(MESSAGE, CLOSE), hear),
    "message and close in one segment": (hear, say(MESSAGE + CLOSE), hear),
    "messages and close in one segment": (hear, say(MESSAGE * 3 + CLOSE), hear),
    "end while waiting": (hear, say(MESSAGE)),
    "reset while waiting": (hear, say(MESSAGE), reset),
    "close and reset while waiting": (hear, say(MESSAGE, CLOSE), reset),
    "end while sending": (hear, flood),
    "reset while sending": (hear, flood, reset),
    "message before the handshake is answered": (say(MESSAGE), say(CLOSE)),
    "end in the handshake": (),
    "reset in the handshake": (reset,),
}

LEAVING_HTTP: dict[str, tuple[bytes, tuple[Act, ...]]] = {
    "response": (SLOW, (hear,)),
    "end while waiting": (SLOW, ()),
    "reset while waiting": (SLOW, (reset,)),
    "truncated body": (SLOW[:9], ()),
    "truncated body, reset": (SLOW[:9], (reset,)),
}


def handshake(path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


def post(path: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(SLOW)}\r\n\r\n".encode()
    )


def follow(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()


def unpaired(log: str) -> list[tuple[str, Counter[str]]]:
    """Connections without their connect or their disconnect, or with more of them."""
    lines: dict[str, Counter[str]] = {}
    for connection, what in re.findall(r"(\S+:\d+ \S+) (connect|disconnect)\b", log):
        lines.setdefault(connection, Counter())[what] += 1
    return [(name, c) for name, c in lines.items() if c["connect"] != c["disconnect"]]


@pytest.mark.parametrize("name", installed())
def test_every_connection_that_begins_ends_once(name: str) -> None:
    """However a client leaves, the connection log pairs up and holds no traceback."""
    with started(name) as server:
        assert server.log is not None
        port = urlsplit(server.url).port

        def connect(head: bytes, *acts: Act) -> None:
            with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
                connection.sendall(head)
                for act in acts:
                    with suppress(ConnectionError):
                        act(connection)

        def leave(exhibit: Exhibit) -> int:
            """Leave in every way; return how many connections must have begun."""
            if exhibit.protocol == "websocket":
                for acts in LEAVING_A_WEBSOCKET.values():
                    connect(handshake(exhibit.url), *acts)
                return sum(hear in acts for acts in LEAVING_A_WEBSOCKET.values())
            for body, acts in LEAVING_HTTP.values():
                connect(post(exhibit.url) + body, *acts)
            begun = sum(hear in acts for _, acts in LEAVING_HTTP.values())
            if exhibit.edition.has_event_stream:
                connect(follow(exhibit.url), hear)
                connect(follow(exhibit.url), hear, reset)
                begun += 2
            return begun

        with ThreadPoolExecutor(len(CATALOGUE)) as threads:
            begun = sum(threads.map(leave, CATALOGUE))
        deadline = time.monotonic() + 2 * TIMEOUT  # what was stored is much for a slow machine
        while (left := unpaired(server.log())) and time.monotonic() < deadline:
            time.sleep(0.1)
        log = server.log()
    assert not left
    assert len(re.findall(r" disconnect\b", log)) >= begun
    assert "Traceback" not in log


def test_daphne_lets_a_consumer_come_to_its_end() -> None:
    """A client that leaves 2 s of work behind has all of it done, and then its disconnect."""
    # docs/findings/daphne_cancelled.py shows that this option decides, with 1 s.
    assert ("--application-close-timeout", "60") in pairwise(ARGUMENTS["daphne"])
    path = "/echo/async-websocket/"
    with (
        serve("daphne", environment={"LOG_LEVEL": "DEBUG"}) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection,
    ):
        connection.sendall(handshake(path))
        hear(connection)
        connection.sendall(frame(Opcode.TEXT, b'{"message": 1, "delay": 1}') * 2 + CLOSE)
        deadline = time.monotonic() + TIMEOUT
        while f"{path} disconnect" not in server.log() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert server.log().count(f"{path} receive") == 2
        assert server.log().count(f"{path} disconnect") == 1


@pytest.mark.parametrize("name", installed())
def test_hundreds_that_leave_at_once_all_end(name: str) -> None:
    """Of 500 synchronous sockets that vanish together each runs its disconnect."""
    path = "/echo/websocket/"
    with serve(name, environment={"LOG_LEVEL": "INFO"}) as server, ExitStack() as stack:
        for _ in range(500):
            address = ("127.0.0.1", server.port)
            connection = stack.enter_context(socket.create_connection(address, timeout=TIMEOUT))
            connection.sendall(handshake(path))
            hear(connection)
        stack.close()
        deadline = time.monotonic() + TIMEOUT
        while server.log().count(f"{path} disconnect") < 500 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert server.log().count(f"{path} disconnect") == 500


@pytest.mark.parametrize(
    "error", [OSError, GONE[-1], *(partial(RuntimeError, w) for w in TOO_LATE)]
)
def test_a_late_send_does_nothing(error: Callable[[str], Exception]) -> None:
    """After the server has said that the client is gone, the consumer still gets its end."""
    assert asyncio.run(events_after(error)) == ["websocket.disconnect"]


def test_any_other_exception_of_send_is_raised() -> None:
    """What is not the client's leaving is not hidden."""
    with pytest.raises(ValueError, match="of the server"):
        asyncio.run(events_after(ValueError))


async def events_after(error: Callable[[str], Exception]) -> list[str]:
    """Send to a server that raises; return the events that the consumer gets then."""
    events = []

    async def consumer(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.send", "text": "late"})
        events.append((await receive())["type"])
        await send({"type": "websocket.send", "text": "later"})

    async def receive() -> Any:
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(_event: Any) -> None:
        raise error("of the server")

    await ended_once(consumer)({"type": "websocket"}, receive, send)
    return events


class WindowsLoop(asyncio.SelectorEventLoop):
    def remove_signal_handler(self, _: int) -> bool:
        raise NotImplementedError


def test_an_event_loop_may_have_no_signal_handlers() -> None:
    """As on Windows, where the handler of the process is replaced all the same."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    servers_own = signal.getsignal(signal.SIGTERM)

    async def prepare() -> None:
        Shutdown().prepare()

    try:
        with asyncio.Runner(loop_factory=WindowsLoop) as runner:
            runner.run(prepare())
        assert signal.getsignal(signal.SIGTERM) not in (servers_own, before)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_process_without_threads_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ends a server to which the system gives no further thread."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ended = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: ended.set())

    async def be_terminated() -> None:
        Shutdown().prepare()
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(TIMEOUT):
            while not ended.is_set():
                await asyncio.sleep(0.01)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            asyncio.run(be_terminated())
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_connection_that_cannot_be_closed_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """At SIGTERM a consumer gets its end also where send raises: Hypercorn's after a refusal."""
    monkeypatch.setattr(ending.shutdown, "has_begun", True)
    events = []

    async def consumer(_scope: Any, receive: Any, _send: Any) -> None:
        events.extend([(await receive())["type"], (await receive())["type"]])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(_event: Any) -> None:
        raise AttributeError

    asyncio.run(ended_once(consumer)({"type": "websocket"}, receive, send))
    assert events == ["websocket.connect", "websocket.disconnect"]
