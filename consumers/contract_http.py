"""The contract over HTTP, where status and headers say what a WebSocket message cannot.

Pure, like the contract itself: ``encode_http(method, decode_http(...))`` never raises.
"""

from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from consumers.contract import (
    NOT_UTF8,
    Error,
    ErrorCode,
    Limits,
    Request,
    answer,
    decode,
    encode,
    parse_json,
    too_large,
    validate,
)

UNSUPPORTED_ENCODING = Error(
    "unsupported_encoding", "Send the body as it is, without a Content-Encoding."
)
METHODS = ("GET", "HEAD", "POST")
STATUS: dict[ErrorCode, int] = {
    "invalid_json": 400,
    "invalid_request": 400,
    "too_deep": 400,
    "too_large": 413,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "unsupported_encoding": 415,
    "unavailable": 503,
    "no_worker": 503,
}


class HttpReply(NamedTuple):
    """The arguments of ``AsyncHttpConsumer.send_response``, in its order."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


def decode_http(scope: Any, body: bytes, limits: Limits) -> Request | Error:
    """Read one HTTP request: the body of a POST, the query string of a GET or HEAD.

    ``scope`` is that of ASGI: ``method``, ``query_string`` and ``headers`` are read.
    ``?message=hi&delay=0.5`` gives the same as ``{"message": "hi", "delay": 0.5}``.
    """
    if scope["method"] == "POST":
        return UNSUPPORTED_ENCODING if _is_encoded(scope) else decode(body, limits)
    if scope["method"] not in METHODS:
        return Error("method_not_allowed", f"Use {', '.join(METHODS)}.")
    query_string = scope["query_string"]
    if len(query_string) > limits.max_message_bytes:
        return too_large(limits)
    try:
        members: dict[str, Any] = dict(
            parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict")
        )
    except UnicodeDecodeError:
        return NOT_UTF8
    if "delay" in members:
        members["delay"] = parse_json(members["delay"], limits)
    return validate(members, limits)


def encode_http(method: str, request: Request | Error) -> HttpReply:
    """Answer and encode one HTTP request. HEAD gets the headers of GET and no body."""
    body = encode(answer(request)).encode()
    headers = json_headers(body)
    status = 200
    if isinstance(request, Error):
        status = STATUS[request.code]
        if request.code == "method_not_allowed":
            headers.append((b"Allow", ", ".join(METHODS).encode()))
        if request is UNSUPPORTED_ENCODING:
            headers.append((b"Accept-Encoding", b"identity"))
        if status == 503:  # noqa: PLR2004 # Service Unavailable
            headers.append((b"Retry-After", b"1"))
    return HttpReply(status, b"" if method == "HEAD" else body, headers)


def _is_encoded(scope: Any) -> bool:
    return any(
        value.strip().lower() not in (b"", b"identity")
        for name, value in scope["headers"]
        if name == b"content-encoding"
    )


def json_headers(body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of every JSON response."""
    return [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", str(len(body)).encode()),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Cache-Control", b"no-store"),
    ]
