"""The one echo logic of every edition that keeps the contract: decode -> answer -> encode.

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
from typing import Any, ClassVar, Literal, NoReturn, TypeAlias

import msgspec

ErrorCode: TypeAlias = Literal[
    "invalid_json",
    "invalid_request",
    "too_deep",
    "too_large",
    "method_not_allowed",
    "unsupported_encoding",
    # Only from consumers with a channel layer or a database behind them.
    "not_acceptable",
    "unavailable",
    "no_worker",
]
Reply: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest values that a request may have.

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
    """What is wrong with a bad request. Its ``delay`` saves callers an isinstance check."""

    code: ErrorCode
    detail: str
    delay: ClassVar[float] = 0.0


def decode(data: str | bytes, limits: Limits) -> Request | Error:
    """Read one WebSocket message or HTTP body."""
    value = parse_json(data, limits)
    return value if isinstance(value, Error) else validate(value, limits)


def answer(request: Request | Error) -> Reply:
    """Make the reply: the message, or what is wrong with the request."""
    if isinstance(request, Error):
        return {"error": {"code": request.code, "detail": request.detail}}
    return {"message": request.message}


def encode(reply: Reply) -> str:
    """Write a reply as compact JSON, without escaping what need not be escaped."""
    return _encoder.encode(reply).decode()


def validate(value: Any, limits: Limits) -> Request | Error:
    """Read a request from parsed JSON."""
    if not isinstance(value, dict):
        return Error("invalid_request", "The request is not an object.")
    if "message" not in value:
        return Error("invalid_request", 'The request has no "message".')
    delay = value.get("delay", 0.0)
    # In Python a bool is an int too, and a Decimal is an integer of thousands of digits.
    if type(delay) not in (int, float) or not 0 <= delay <= limits.max_delay:
        return Error(
            "invalid_request",
            f'"delay" is not a number of seconds from 0 to {limits.max_delay:g}.',
        )
    return Request(value["message"], delay)


NOT_UTF8 = Error("invalid_json", "Not JSON: not UTF-8.")


def too_large(limits: Limits) -> Error:
    return Error("too_large", f"The request is over {limits.max_message_bytes} bytes.")


def parse_json(data: str | bytes, limits: Limits) -> Any:
    """Parse RFC 8259 JSON, or return an Error. Huge integers come as Decimal, exact."""
    try:
        document = data.encode() if isinstance(data, str) else data
        if len(document) > limits.max_message_bytes:
            return too_large(limits)
        # A codec gives up at a depth that depends on its call stack, so the limit comes first.
        if _is_deeper_than(limits.max_depth, document):
            return Error("too_deep", f"The request is nested over {limits.max_depth} deep.")
        try:
            return _decoder.decode(document)
        except msgspec.ValidationError:  # a number that is no double, or an integer too long for it
            value = _exact_decoder.decode(document.decode())
            _encoder.encode(value)  # rejects the lone surrogates that the standard library accepts
            return value
    except UnicodeError:
        return NOT_UTF8
    except ValueError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        return Error("invalid_json", f"Not JSON: {reason}.")


# msgspec is strict and fast, but parses no integers of more than 4,300 digits.
_MSGSPEC_DIGITS = 4300


def _integer(lexeme: str) -> int | Decimal:
    # A Decimal is read and written in linear time. An int takes quadratic time: Python forbids it.
    return int(lexeme) if len(lexeme) <= _MSGSPEC_DIGITS else Decimal(lexeme)


def _finite(lexeme: str) -> float:
    if math.isinf(value := float(lexeme)):
        raise ValueError("Number out of range")
    return value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_decoder = msgspec.json.Decoder()
_exact_decoder = json.JSONDecoder(
    parse_int=_integer, parse_float=_finite, parse_constant=_reject_constant
)
_encoder = msgspec.json.Encoder(decimal_format="number")
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def _is_deeper_than(limit: int, document: bytes) -> bool:
    # Counting is fast and enough for nearly every message; only the others are searched.
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
