"""What is checked up on, and how it is spoken to."""

import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.checkup.witness_log import WitnessLog
from sandbox.wire import Header

DEFAULT_REQUEST = '{"message": "hi"}'
SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


class TargetError(Exception):
    """What cannot be checked up on; the message says why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a consumer is spoken to, whatever its address."""

    request: str = DEFAULT_REQUEST
    """One that it is known to answer."""
    reply: re.Pattern[str] | None = None
    """What the answer looks like; without it, it is whatever comes first."""
    headers: tuple[Header, ...] = ()
    origin: str | None = None
    subprotocols: tuple[str, ...] = ()
    insecure: bool = False
    """Take any certificate."""
    slow: str | None = None
    """A request that keeps the consumer busy."""
    seconds: float = 5.0
    """How long an answer may take."""
    is_mine: bool = False
    """It may be flooded and stalled, also if it is not on loopback."""


@dataclass(frozen=True, slots=True)
class Target:
    """A consumer that is up."""

    url: str
    """With ``ws`` or ``wss``."""
    manner: Manner
    server: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    """Of the packages in its environment, where that is known."""
    witness: WitnessLog | None = None
    """What was raised in the application, where it was started here."""
    log: Callable[[], str] | None = None

    @classmethod
    def of(cls, url: str, manner: Manner) -> "Target":
        """Take what a user gives for a URL. Raises TargetError."""
        return cls(websocket_url(url), manner)

    @property
    def name(self) -> str:
        """The URL without what may be secret in it: a password, a query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def own_origin(self) -> str:
        """The origin of a page of the same site."""
        parts = urlsplit(self.url)
        scheme = "https" if parts.scheme == "wss" else "http"
        return f"{scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def may_be_loaded(self) -> bool:
        return self.manner.is_mine or is_loopback(urlsplit(self.url).hostname or "")

    @property
    def tls(self) -> ssl.SSLContext | None:
        if not self.manner.insecure:
            return None
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


def websocket_url(text: str) -> str:
    """Return a URL as one of a WebSocket. Raises TargetError."""
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in SCHEMES or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise TargetError(
            f"{_shown(text)} is not a URL: give one such as ws://127.0.0.1:8000/ws/chat/."
        )
    return parts._replace(
        scheme=SCHEMES[parts.scheme], path=parts.path or "/", fragment=""
    ).geturl()


def header(text: str) -> Header:
    """Return a header that is given as ``Name: value``. Raises TargetError."""
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not _is_value(value):
        raise TargetError(
            f"{name!r} is not a header: give one such as 'Authorization: Bearer abc'."
        )
    return name, value.strip()


def cookies(texts: Sequence[str]) -> tuple[Header, ...]:
    """Return the header of cookies that are given as ``name=value``. Raises TargetError."""
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals) or not _is_value(value) or re.search(r"[\s;,]", name):
            raise TargetError(f"{name!r} is not a cookie: give one such as sessionid=abc.")
    return (("Cookie", "; ".join(texts)),) if texts else ()


def _is_value(text: str) -> bool:
    return text.isascii() and not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text)


def is_loopback(host: str) -> bool:
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):  # UnicodeError: for a..b
        return False
    return all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in addresses)


def _shown(text: str) -> str:
    """Quote what was given, without what may be secret in it."""
    return repr(re.sub(r"//[^/@]*@", "//", text).partition("?")[0])
