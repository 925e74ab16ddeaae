"""What scripts in a browser are not shown: the handshake's headers, pings, the answer to a close.

So a client in the server connects to the exhibit as other clients do, over the very socket address
at which the request for this came in, and records each frame. It goes nowhere else: the path is
that of an exhibit, and neither host nor port is taken from what a client sends.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from websockets.exceptions import InvalidHandshake
from websockets.frames import Opcode

from consumers.catalogue import Exhibit
from sandbox.wire import ClosedError, RefusedError, Trace, http_connection, websocket

SECONDS = 5.0
"""For all of it."""
AT_ONCE = 4
LONGEST_MESSAGE = 2000
LONGEST_REASON = 123
"""Bytes: a close frame holds 125, and the code takes two."""
MESSAGE = '{"message": "hi"}'

_busy = 0


def is_sendable(code: int) -> None:
    """Raise ValidationError for a code that a client may not send: RFC 6455, section 7.4."""
    if not (code in (1000, 1001, 1002, 1003) or 1007 <= code <= 1011 or 3000 <= code <= 4999):  # noqa: PLR2004 # as the RFC has them
        raise ValidationError("A client may close with 1000 to 1003, 1007 to 1011 or 3000 to 4999.")


def fits_a_close_frame(reason: str) -> None:
    if len(reason.encode()) > LONGEST_REASON:
        raise ValidationError(f"A reason has at most {LONGEST_REASON} bytes in UTF-8.")


class WireForm(forms.Form):
    """What to send."""

    message = forms.CharField(
        initial=MESSAGE, max_length=LONGEST_MESSAGE, required=False, strip=False
    )
    code = forms.IntegerField(
        label="Close code",
        initial=1000,
        validators=[is_sendable],
        help_text="A script in a browser may close with 1000 or 3000 to 4999 only.",
    )
    reason = forms.CharField(
        label="Close reason", required=False, strip=False, validators=[fits_a_close_frame]
    )

    def __init__(self, exhibit: Exhibit, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, label_suffix="")
        if not takes_message(exhibit):
            del self.fields["message"]
        if exhibit.protocol == "http":
            del self.fields["code"], self.fields["reason"]


def takes_message(exhibit: Exhibit) -> bool:
    """Whether a message disturbs no other client: those in a room would get it too."""
    return exhibit.edition.answers and not exhibit.has_rooms


async def record(
    exhibit: Exhibit, server: tuple[str, int], path: str, host: str, wanted: Mapping[str, Any]
) -> tuple[Trace, str]:
    """Do what is wanted, a valid form's data; return what went over the wire, and what failed.

    ``server`` is the address at which this server listens, ``host`` the Host to send there.
    """
    global _busy  # noqa: PLW0603 # counts for the whole process, whatever its event loops
    trace = Trace(excerpt_bytes=4096)
    if _busy >= AT_ONCE:
        return trace, "Too many visitors are doing this now: try again in a moment."
    _busy += 1
    try:
        async with asyncio.timeout(SECONDS):
            await _converse(exhibit, server, path, host, wanted, trace)
    except (RefusedError, ClosedError, InvalidHandshake, OSError) as error:
        return trace, _in_words(error)
    finally:
        _busy -= 1
    return trace, ""


def _in_words(error: Exception) -> str:
    match error:
        case RefusedError():
            return f"The handshake was refused with status {error.status}."
        case ClosedError():
            return f"The server ended the connection: {error.code}."
        case TimeoutError():
            return f"Nothing more came within {SECONDS:g} s."
        case InvalidHandshake():
            return f"The answer to the handshake is not valid: {error}."
        case _:
            return f"The server cannot be reached from itself: {error}."


async def _converse(  # noqa: PLR0913, PLR0917 # where, and what
    exhibit: Exhibit,
    server: tuple[str, int],
    path: str,
    host: str,
    wanted: Mapping[str, Any],
    trace: Trace,
) -> None:
    address, port = server
    url = f"http://{f'[{address}]' if ':' in address else address}:{port}"
    message = wanted.get("message")
    if exhibit.protocol == "http":
        method = "GET" if message is None else "POST"
        async with http_connection(url, trace=trace) as connection:
            await connection.request(
                method, path, headers=[("Host", host)], body=(message or "").encode()
            )
        return
    async with websocket(url + path, headers=[("Host", host)], trace=trace) as socket:
        if message is not None:
            await socket.send(message)
        if message is not None or not exhibit.edition.answers:
            await socket.receive()
        await socket.send_frame(Opcode.PING, b"are you there?")
        await socket.receive()
        await socket.close(wanted["code"], wanted["reason"])
