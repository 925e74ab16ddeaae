"""The one echo that every consumer speaks: decode -> answer -> encode.

Pure: no Django, no Channels, no event loop, no I/O. Errors are values, so that
``encode(answer(decode(data, limits)))`` never raises, whatever the bytes:

    >>> encode(answer(decode('{"message": "hi"}', Limits())))
    '{"message":"hi"}'
    >>> encode(answer(decode('["hi"]', Limits())))
    '{"error":{"code":"invalid_request","detail":"The request is not an object."}}'
"""

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Literal, NamedTuple, NoReturn, TypeAlias
from urllib.parse import parse_qsl

import msgspec

ErrorCode: TypeAlias = Literal[
    "invalid_json",
    "invalid_request",
    "too_deep",
    "too_large",
    "method_not_allowed",
    # Only where a channel layer takes part.
    "not_acceptable",
    "unavailable",
    "no_worker",
]
Reply: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may ask for.

    ``max_delay`` in seconds, ``max_message_bytes`` in bytes of UTF-8, ``max_depth`` in nested
    arrays and objects, the request object itself being the first.
    """

    max_delay: float = 1.0
    max_message_bytes: int = 64 * 1024
    max_depth: int = 100


@dataclass(frozen=True, slots=True)
class Request:
    """A good request: any JSON value, and the seconds to wait before it is echoed."""

    message: Any
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Error:
    """What is wrong with a bad request. It has a ``delay`` too, so that nobody need ask which."""

    code: ErrorCode
    detail: str
    delay: ClassVar[float] = 0.0


def decode(data: str | bytes, limits: Limits) -> Request | Error:
    """Read one WebSocket message or HTTP body."""
    value = _decode_json(data, limits)
    return value if isinstance(value, Error) else _request(value, limits)


def decode_http(method: str, query_string: bytes, body: bytes, limits: Limits) -> Request | Error:
    """Read one HTTP request: the body of a POST, the query of a GET or HEAD.

    ``?message=hi&delay=0.5`` asks what ``{"message": "hi", "delay": 0.5}`` would.
    """
    if method == "POST":
        return decode(body, limits)
    if method not in METHODS:
        return Error("method_not_allowed", f"Use {', '.join(METHODS)}.")
    if len(query_string) > limits.max_message_bytes:
        return _too_large(limits)
    try:
        members: dict[str, Any] = dict(
            parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict")
        )
    except UnicodeDecodeError:
        return _NOT_UTF8
    if "delay" in members:
        members["delay"] = _decode_json(members["delay"], limits)
    return _request(members, limits)


def answer(request: Request | Error) -> Reply:
    """Say what to reply: the message, or what was wrong."""
    if isinstance(request, Error):
        return {"error": {"code": request.code, "detail": request.detail}}
    return {"message": request.message}


def encode(reply: Reply) -> str:
    """Write a reply as compact JSON, characters as themselves."""
    return _encoder.encode(reply).decode()


# HTTP says in a status and in headers what a WebSocket message cannot.

METHODS = ("GET", "HEAD", "POST")
STATUS: dict[ErrorCode, int] = {
    "invalid_json": 400,
    "invalid_request": 400,
    "too_deep": 400,
    "too_large": 413,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "unavailable": 503,
    "no_worker": 503,
}


class HttpReply(NamedTuple):
    """The arguments of ``AsyncHttpConsumer.send_response``, in its order."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


def encode_http(method: str, request: Request | Error) -> HttpReply:
    """Answer and encode one HTTP request. HEAD gets the headers of GET and no body."""
    body = encode(answer(request)).encode()
    further = []
    status = 200
    if isinstance(request, Error):
        status = STATUS[request.code]
        if request.code == "method_not_allowed":
            further.append((b"Allow", ", ".join(METHODS).encode()))
        if status == 503:  # noqa: PLR2004 # Service Unavailable
            further.append((b"Retry-After", b"1"))
    return HttpReply(status, b"" if method == "HEAD" else body, headers(body) + further)


def headers(body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of every JSON answer."""
    return [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", str(len(body)).encode()),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Cache-Control", b"no-store"),
    ]


# What a request must be.


def _request(value: Any, limits: Limits) -> Request | Error:
    if not isinstance(value, dict):
        return Error("invalid_request", "The request is not an object.")
    if "message" not in value:
        return Error("invalid_request", 'The request has no "message".')
    delay = value.get("delay", 0.0)
    # A bool is an int to Python, a Decimal is an integer of thousands of digits.
    if type(delay) not in (int, float) or not 0 <= delay <= limits.max_delay:
        return Error(
            "invalid_request",
            f'"delay" is not a number of seconds from 0 to {limits.max_delay:g}.',
        )
    return Request(value["message"], delay)


# How JSON is read. msgspec is strict and fast, but stops at integers of 4,300 digits.

_NOT_UTF8 = Error("invalid_json", "Not JSON: not UTF-8.")
_MSGSPEC_DIGITS = 4300


def _too_large(limits: Limits) -> Error:
    return Error("too_large", f"The request is over {limits.max_message_bytes} bytes.")


def _decode_json(data: str | bytes, limits: Limits) -> Any:
    """Read RFC 8259 JSON, or return an Error. Huge integers come as Decimal, exact."""
    try:
        document = data.encode() if isinstance(data, str) else data
        if len(document) > limits.max_message_bytes:
            return _too_large(limits)
        # The depth at which a codec gives up depends on the stack it stands on: decide before.
        if _is_deeper_than(limits.max_depth, document):
            return Error("too_deep", f"The request is nested over {limits.max_depth} deep.")
        try:
            return _decoder.decode(document)
        except msgspec.ValidationError:  # a number out of range: no double, or a huge integer
            value = _patient_decoder.decode(document.decode())
            _encoder.encode(value)  # refuses the lone surrogates that the standard library accepts
            return value
    except UnicodeError:
        return _NOT_UTF8
    except ValueError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        return Error("invalid_json", f"Not JSON: {reason}.")


def _integer(lexeme: str) -> int | Decimal:
    # A Decimal is read and written in linear time; an int in quadratic, so Python forbids it.
    return int(lexeme) if len(lexeme) <= _MSGSPEC_DIGITS else Decimal(lexeme)


def _finite(lexeme: str) -> float:
    if math.isinf(value := float(lexeme)):
        raise ValueError("Number out of range")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_decoder = msgspec.json.Decoder()
_patient_decoder = json.JSONDecoder(
    parse_int=_integer, parse_float=_finite, parse_constant=_refuse_constant
)
_encoder = msgspec.json.Encoder(decimal_format="number")


_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def _is_deeper_than(limit: int, document: bytes) -> bool:
    # Counting runs at C speed and clears nearly every message; only the rest is looked at.
    if document.count(b"[") + document.count(b"{") <= limit:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.findall(document):
        if token in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif token in b"]}":
            depth -= 1
    return False
