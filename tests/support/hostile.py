"""Hypothesis strategies for what a hostile client sends: good bytes, changed, on a plain socket."""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from consumers.catalogue import CATALOGUE
from tests.support.strategies import KNOWN_FRAMES

# Not those that answer bad input with an exception, which is what a tutorial shows.
CAREFUL = [e for e in CATALOGUE if e.edition.keeps_contract or e.edition.probes != "contract"]
HI, WAITING = '{"message":"hi"}', '{"message":1,"delay":0.02}'
PATHS = {
    protocol: [*(one.url for one in CAREFUL if one.protocol == protocol), "/no/such/path/"]
    for protocol in ("websocket", "http")
}
HEADERS = (
    "Origin: http://127.0.0.1",
    "Origin: http://evil.example",
    "Sec-WebSocket-Protocol: chat, superchat",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Accept: text/event-stream",
    "Expect: 100-continue",
    "Connection: close",
    "Content-Encoding: gzip",
    "Cookie: sessionid=x; csrftoken=\x7f",
    "Last-Event-ID: -1",
    "X-Long: " + "x" * 20_000,
    " folded: value",
    "Host: evil.example",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Upgrade: h2c",
)
"""What a request may have besides the headers that it needs."""
MESSAGES = [
    message.encode() if isinstance(message, str) else message
    for message in (HI, WAITING, *KNOWN_FRAMES)
    if len(message) < 20_000
]
ENDINGS = ("leave", "reset", "half-close")
MASK = b"\x12\x34\x56\x78"


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one client sends: each segment on its own, and how it ends the connection."""

    segments: tuple[bytes, ...]
    listens: bool
    """Whether it waits for an answer after each segment."""
    ending: str


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join([line, "Host: 127.0.0.1", *headers, "", ""]).encode("latin-1")


def extra_headers() -> SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(HEADERS), max_size=2)


def handshakes() -> SearchStrategy[bytes]:
    """A WebSocket handshake with any exhibit, as RFC 6455 wants it but for a header more."""
    return st.builds(
        lambda path, more: head(
            f"GET {path} HTTP/1.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            *more,
        ),
        st.sampled_from(PATHS["websocket"]),
        st.one_of(st.just([]), extra_headers()),
    )


def frame(opcode: int, payload: bytes, *, first: int = 0x80, length: int | None = None) -> bytes:
    """Encode a masked frame; ``first`` has its FIN and RSV bits, ``length`` may be a lie."""
    size = len(payload) if length is None else length
    if size < 126:
        header = bytes([first | opcode, 0x80 | size])
    elif size < 1 << 16:
        header = bytes([first | opcode, 0x80 | 126]) + struct.pack("!H", size)
    else:
        header = bytes([first | opcode, 0x80 | 127]) + struct.pack("!Q", size)
    masked = bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))
    return header + MASK + masked


def payloads() -> SearchStrategy[bytes]:
    """What a message holds, good or broken, and the payload of a close."""
    closes = st.integers(0, 0xFFFF).map(lambda code: struct.pack("!H", code))
    return st.one_of(st.sampled_from(MESSAGES), st.binary(max_size=200), closes)


def websocket_frames() -> SearchStrategy[bytes]:
    """Any opcode, finished or not, reserved bits, lengths that are not those of the payload."""
    return st.builds(
        lambda opcode, payload, first, length: frame(opcode, payload, first=first, length=length),
        st.one_of(st.sampled_from([1, 2, 8, 9]), st.integers(0, 15)),
        payloads(),
        st.sampled_from([0x80, 0x80, 0x80, 0, 0xC0, 0xF0]),
        st.one_of(st.none(), st.none(), st.sampled_from([0, 125, 126, 65_536, 1 << 31, 1 << 63])),
    )


@st.composite
def requests(draw: DrawFn) -> list[bytes]:
    """An HTTP request to any exhibit or page, its body with a length, in chunks, or neither."""
    method = draw(st.sampled_from(["GET", "POST", "POST", "HEAD", "PUT", "CONNECT", "G\x00T"]))
    target = draw(st.sampled_from([*PATHS["http"], *PATHS["websocket"][:2], "/", "*", "//a/"]))
    query = draw(st.sampled_from(["", "?message=hi", "?message=%FF&delay=x", "?" + "q" * 9000]))
    body = draw(payloads())
    line, more = f"{method} {target}{query} HTTP/1.1", draw(extra_headers())
    match draw(st.sampled_from(["length", "chunked", "lie", "none"])):
        case "length":
            return [head(line, f"Content-Length: {len(body)}", *more), body]
        case "chunked":
            chunk = b"%x\r\n%s\r\n" % (len(body), body)
            return [head(line, "Transfer-Encoding: chunked", *more), chunk, b"0\r\n\r\n"]
        case "lie":
            length = draw(st.sampled_from(["-1", "0", "1", "99999", "9" * 30, "1, 2", "x"]))
            return [head(line, f"Content-Length: {length}", *more), body]
    return [head(line, *more)]


# What is done to good bytes. Each takes the segments, which of them, a place in it, and a number.

Mutation = Callable[[list[bytes], int, int, int], list[bytes]]


def flip(segments: list[bytes], which: int, place: int, number: int) -> list[bytes]:
    changed = bytearray(segments[which])
    if changed:
        changed[place % len(changed)] ^= 1 << number % 8
    return [*segments[:which], bytes(changed), *segments[which + 1 :]]


def truncate(segments: list[bytes], which: int, place: int, number: int) -> list[bytes]:
    """Cut one short, and with an odd number send nothing behind it."""
    short = segments[which][: place % (len(segments[which]) + 1)]
    return [*segments[:which], short, *([] if number % 2 else segments[which + 1 :])]


def repeat(segments: list[bytes], which: int, _place: int, number: int) -> list[bytes]:
    return [*segments[:which], *[segments[which]] * (number % 4 + 1), *segments[which + 1 :]]


def reorder(segments: list[bytes], which: int, _place: int, number: int) -> list[bytes]:
    changed = list(segments)
    changed.insert(number % len(segments), changed.pop(which))
    return changed


def join(segments: list[bytes], which: int, _place: int, _number: int) -> list[bytes]:
    return [*segments[:which], b"".join(segments[which : which + 2]), *segments[which + 2 :]]


def split(segments: list[bytes], which: int, place: int, _number: int) -> list[bytes]:
    place %= len(segments[which]) + 1
    parts = [segments[which][:place], segments[which][place:]]
    return [*segments[:which], *parts, *segments[which + 1 :]]


def resize(segments: list[bytes], which: int, place: int, number: int) -> list[bytes]:
    """Put another number where one is."""
    found = list(re.finditer(rb"\d+", segments[which]))
    if not found:
        return segments
    digits = found[place % len(found)]
    changed = segments[which][: digits.start()] + b"%d" % number + segments[which][digits.end() :]
    return [*segments[:which], changed, *segments[which + 1 :]]


def insert(segments: list[bytes], which: int, place: int, number: int) -> list[bytes]:
    noise = [b"\x00", b"\xff", b"\r\n", b"\r\n\r\n", b":", b" ", b"\n", b"0\r\n\r\n"][number % 8]
    place %= len(segments[which]) + 1
    changed = segments[which][:place] + noise + segments[which][place:]
    return [*segments[:which], changed, *segments[which + 1 :]]


MUTATIONS: tuple[Mutation, ...] = (flip, truncate, repeat, reorder, join, split, resize, insert)


@st.composite
def conversations(draw: DrawFn) -> Conversation:
    """A WebSocket or some requests, then nothing to four things done to the bytes."""
    if draw(st.booleans()):
        segments = [draw(handshakes()), *draw(st.lists(websocket_frames(), max_size=3))]
    else:
        segments = [*draw(requests()), *draw(st.one_of(st.just([]), requests()))]
    for mutate in draw(st.lists(st.sampled_from(MUTATIONS), max_size=4)):
        which = draw(st.integers(0, len(segments) - 1))
        segments = mutate(segments, which, draw(st.integers(0, 999)), draw(st.integers(0, 999)))
    return Conversation(tuple(segments), draw(st.booleans()), draw(st.sampled_from(ENDINGS)))
