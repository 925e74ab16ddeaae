"""Traffic of every kind, good and hostile: what clients do, and what has to come back.

Each kind is a coroutine that plays one client from its connect to its end. It raises
``WrongAnswerError`` or an error of ``sandbox.wire`` where a well-behaved client is not served as
the contract says. A hostile client is owed nothing, so it only has to end.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from random import Random

from websockets.frames import Opcode

from consumers.catalogue import CATALOGUE, Exhibit, exhibits
from sandbox.wire import (
    TIMEOUT,
    ClosedError,
    EventStream,
    WebSocket,
    event_stream,
    http,
    http_connection,
    websocket,
)
from sandbox.wire.stream import Stream, open_stream

LINGER_SECONDS = 1.0
"""How long a client stays that is owed nothing."""
UNREAD_MESSAGES, UNREAD_BYTES = 100, 30_000
"""More than the operating system buffers between two sockets."""

ECHOES = [e for e in CATALOGUE if e.edition.is_echo and e.edition.keeps_contract]
SOCKETS = [e for e in ECHOES if e.protocol == "websocket" and not e.edition.debug_only]
POSTS = [e for e in ECHOES if e.protocol == "http" and not e.edition.debug_only]
ROOMS = exhibits("rooms")
REMEMBERING = exhibits("history")
VANISHING = (*SOCKETS, *(one for one in (*ROOMS, *REMEMBERING) if one.protocol == "websocket"))

BAD_REQUESTS = {
    "": "invalid_json",
    "{": "invalid_json",
    '{"message": NaN}': "invalid_json",
    "[]": "invalid_request",
    '{"message": 1, "delay": -1}': "invalid_request",
    '{"message": ' + "[" * 200 + "]" * 200 + "}": "too_deep",
    '{"message": "' + "x" * 70_000 + '"}': "too_large",
}
"""What is not a request of the contract, and the error that answers it."""
FORBIDDEN_FRAMES = (
    (Opcode.TEXT, b"\xff", True),
    (Opcode.CONT, b"of nothing", True),
    (Opcode.PING, b"x" * 126, True),
    (Opcode.CLOSE, b"\x00", True),
)
BROKEN_REQUESTS = (
    b"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999\r\n\r\n{",
    b"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"GET {path} HTTP/9.9\r\n\r\n",
    b"GET {path}?" + b"q" * 20_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of TLS
)
HANDSHAKE = (
    b"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class WrongAnswerError(Exception):
    """Something else came back than what the contract says."""


@dataclass
class Client:
    """Plays clients of all kinds one after another."""

    url: str
    room: str
    """One of its own, where it hears nothing but what it has said."""
    random: Random

    def path(self, choices: Sequence[Exhibit]) -> str:
        """Choose an exhibit; in rooms, the one where nothing is looked at."""
        return self.random.choice(choices).url_in("anybody")

    def request(self) -> str:
        """Return a good request, which is also its reply."""
        size = self.random.choice((0, 1, 30, 1000, 30_000))
        return json.dumps({"message": "x" * size}, separators=(",", ":"))


def check(seen: object, expected: object) -> None:
    if seen != expected:
        raise WrongAnswerError(f"{_short(seen)} instead of {_short(expected)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]} ..."  # noqa: PLR2004 # fits in a line


def error_code(reply: str | bytes) -> object:
    try:
        return json.loads(reply)["error"]["code"]
    except (LookupError, TypeError, ValueError):
        return reply


async def good_websocket(client: Client) -> None:
    async with websocket(client.url + client.path(SOCKETS)) as connection:
        for _ in range(client.random.randint(1, 10)):
            request = client.request()
            await connection.send(request)
            check(await connection.receive(), request)


async def good_http(client: Client) -> None:
    async with http_connection(client.url) as connection:
        for _ in range(client.random.randint(1, 5)):
            request = client.request()
            response = await connection.request("POST", client.path(POSTS), body=request.encode())
            check((response.status, response.body.decode()), (200, request))


async def bad_requests(client: Client) -> None:
    """Every error is an answer, and the connection stays useful."""
    async with websocket(client.url + client.path(SOCKETS)) as connection:
        for request, code in BAD_REQUESTS.items():
            await connection.send(request)
            check(error_code(str(await connection.receive())), code)
        await connection.send('{"message":1}')
        check(await connection.receive(), '{"message":1}')
    for request, code in BAD_REQUESTS.items():
        url = client.url + client.path(POSTS)
        check(error_code((await http("POST", url, body=request.encode())).body), code)


async def forbidden_frames(client: Client) -> None:
    """A frame that RFC 6455 forbids ends its own connection."""
    async with websocket(client.url + client.path(VANISHING)) as connection:
        opcode, payload, fin = client.random.choice(FORBIDDEN_FRAMES)
        await connection.send_frame(opcode, payload, fin=fin)
        with suppress(ClosedError):
            async with asyncio.timeout(TIMEOUT):
                while True:  # a room may say something before
                    await connection.receive()


async def broken_bytes(client: Client) -> None:
    """A handshake with one byte changed, or a request that is none."""
    if client.random.random() < 0.5:  # noqa: PLR2004 # as often as not
        data = bytearray(HANDSHAKE.replace(b"{path}", client.path(VANISHING).encode()))
        data[client.random.randrange(len(data))] = client.random.randrange(256)
    else:
        request = client.random.choice(BROKEN_REQUESTS)
        data = bytearray(request.replace(b"{path}", client.path(POSTS).encode()))
    async with open_stream(client.url, None) as stream:
        await stream.write(bytes(data))
        await _listen(stream, LINGER_SECONDS / 5)


async def vanishing(client: Client) -> None:
    """A client leaves without a close while its reply is on its way."""
    async with websocket(client.url + client.path(VANISHING)) as connection:
        await connection.send(json.dumps({"message": 1, "delay": client.random.random() / 20}))
        await asyncio.sleep(client.random.random() / 20)
        connection.vanish()


async def never_reading(client: Client) -> None:
    """A client sends and reads nothing, in a room too; a server may stop it, or end it."""
    async with websocket(client.url + client.path(VANISHING)) as connection:
        request = json.dumps({"message": "x" * UNREAD_BYTES})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                for _ in range(UNREAD_MESSAGES):
                    await connection.send(request)
        connection.vanish()


async def half_closing(client: Client) -> None:
    """A client sends FIN behind its request, and waits for the reply: it may be dropped."""
    path = client.path((*VANISHING, *POSTS))
    async with open_stream(client.url, None) as stream:
        await stream.write(HANDSHAKE.replace(b"{path}", path.encode()))
        await _listen(stream, LINGER_SECONDS / 5)
        stream.half_close()
        await _listen(stream, LINGER_SECONDS)


async def dripping(client: Client) -> None:
    """A handshake comes in small pieces; half of the clients leave before its end."""
    data = HANDSHAKE.replace(b"{path}", client.path(VANISHING).encode())
    if client.random.random() < 0.5:  # noqa: PLR2004 # as often as not
        data = data[: client.random.randrange(len(data))]
    async with open_stream(client.url, None) as stream:
        for start in range(0, len(data), 20):
            await stream.write(data[start : start + 20])
            await asyncio.sleep(0.01)
        await _listen(stream, LINGER_SECONDS / 5)


async def rooms(client: Client) -> None:
    """Members of several types hear the same, in order; some leave by vanishing."""
    async with AsyncExitStack() as stack:
        chosen = client.random.sample(ROOMS, 3)
        members = [await stack.enter_async_context(member(client, one)) for one in chosen]
        url = client.url + exhibits("rooms")[-1].url_in(client.room)
        for _ in range(client.random.randint(1, 5)):
            request = client.request()
            check((await http("POST", url, body=request.encode())).status, HTTPStatus.ACCEPTED)
            for one in members:
                check(await one.receive(), request)
        if client.random.random() < 0.5:  # noqa: PLR2004 # as often as not
            for one in members:
                one.vanish()


async def reconnecting(client: Client) -> None:
    """A member of a room that remembers leaves, and gets what it missed when it is back."""
    url = client.url + exhibits("history")[-1].url_in(client.room)
    ids = []
    for number in range(client.random.randint(2, 5)):
        response = await http("POST", url, body=b'{"message":%d}' % number)
        check(response.status, HTTPStatus.ACCEPTED)
        ids.append(json.loads(response.body)["id"])
    exhibit = client.random.choice(REMEMBERING)
    async with member(client, exhibit, f"?after={ids[0]}") as returned:
        for number, id_ in enumerate(ids[1:], 1):
            check(await returned.receive(), f'{{"id":{id_},"message":{number}}}')
        if client.random.random() < 0.5:  # noqa: PLR2004 # as often as not
            returned.vanish()


async def pages(client: Client) -> None:
    """Django's own pages are answered too."""
    path = client.random.choice(("/", "/scope/", "/static/site/style.css", "/no/such/page"))
    status = (await http("GET", client.url + path)).status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise WrongAnswerError(f"{path} has the status {status}")


@asynccontextmanager
async def member(
    client: Client, exhibit: Exhibit, query: str = ""
) -> AsyncIterator[WebSocket | EventStream]:
    url = client.url + exhibit.url_in(client.room) + query
    if exhibit.protocol == "websocket":
        async with websocket(url) as connection:
            yield connection
    else:
        async with event_stream(url) as stream:
            yield stream


async def _listen(stream: Stream, seconds: float) -> None:
    """Read until the end of the stream, or as long as that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while await stream.read():
                pass


KINDS: dict[str, Callable[[Client], Awaitable[None]]] = {
    "good WebSockets": good_websocket,
    "good HTTP": good_http,
    "rooms and event streams": rooms,
    "reconnecting": reconnecting,
    "pages": pages,
    "bad requests": bad_requests,
    "forbidden frames": forbidden_frames,
    "broken bytes": broken_bytes,
    "vanishing": vanishing,
    "never reading": never_reading,
    "half-closing": half_closing,
    "dripping": dripping,
}
"""Each kind by its name, in the order of the report."""
