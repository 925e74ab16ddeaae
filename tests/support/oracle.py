"""The contract a second time, naively, on the standard library: what the tests believe.

It shares no code with ``consumers/contract.py``, so that a mistake there has to be made twice.
"""

import json
import struct
from typing import Any, NamedTuple, NoReturn

MAX_DELAY = 1.0
MAX_MESSAGE_BYTES = 64 * 1024
MAX_DEPTH = 100


class Expected(NamedTuple):
    """Either an error code, or the message in the form that ``parse`` gives."""

    code: str | None
    message: Any = None


def expect(data: str | bytes) -> Expected:
    """Say what any exhibit that keeps the contract replies to one message or body."""
    document = data.encode() if isinstance(data, str) else data
    if len(document) > MAX_MESSAGE_BYTES:
        return Expected("too_large")
    if _depth(document) > MAX_DEPTH:
        return Expected("too_deep")
    try:
        kind, members = parse(document)
    except ValueError:
        return Expected("invalid_json")
    if kind != "object" or "message" not in dict(members):
        return Expected("invalid_request")
    if not _is_delay(dict(members).get("delay", ("integer", "0"))):
        return Expected("invalid_request")
    return Expected(None, dict(members)["message"])


def read(reply: str | bytes) -> Expected:
    """Read a reply, asserting that it is one of the two shapes that a reply can have."""
    kind, members = parse(reply.encode() if isinstance(reply, str) else reply)
    assert kind == "object"
    ((name, value),) = members
    if name == "message":
        return Expected(None, value)
    assert name == "error"
    error = dict(value[1])
    assert list(error) == ["code", "detail"]
    assert error["detail"][0] == "string"
    assert error["detail"][1]
    return Expected(error["code"][1])


def parse(document: bytes) -> Any:
    """Parse RFC 8259 JSON into (kind, content) pairs in which 1, 1.0 and true all differ.

    Integers are kept as digits, floats as their eight bytes. Raises ValueError.
    """
    text = document.decode()
    tree = json.loads(
        text,
        parse_int=lambda digits: _Integer("0" if digits == "-0" else digits),
        parse_float=_float,
        parse_constant=_refuse,
    )
    return _tagged(tree)


class _Integer(str):
    __slots__ = ()


def _float(lexeme: str) -> float:
    value = float(lexeme)
    if value in (float("inf"), float("-inf")):
        raise ValueError(lexeme)
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _tagged(tree: Any) -> Any:
    match tree:
        case _Integer():
            return "integer", str(tree)
        case str():
            return "string", tree.encode().decode()  # a lone surrogate is a ValueError
        case float():
            return "float", struct.pack("<d", tree)
        case list():
            return "array", tuple(_tagged(item) for item in tree)
        case dict():
            return "object", tuple((_tagged(k)[1], _tagged(v)) for k, v in tree.items())
        case _:
            return "literal", tree


def _is_delay(tagged: Any) -> bool:
    kind: str = tagged[0]
    content = tagged[1]
    if kind == "integer":
        return content in {"0", "1"}
    return kind == "float" and 0.0 <= float(*struct.unpack("<d", content)) <= MAX_DELAY


def _depth(document: bytes) -> int:
    deepest = depth = 0
    in_string = escaped = False
    for character in document.decode("latin-1"):
        if escaped:
            escaped = False
        elif in_string:
            escaped = character == "\\"
            in_string = character != '"'
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest
