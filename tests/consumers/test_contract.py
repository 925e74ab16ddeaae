"""The contract by itself: no consumer, no event loop, no server."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumers import contract, contract_http
from consumers.contract import Error, Limits, Request, answer, decode, encode
from consumers.contract_http import STATUS, decode_http, encode_http
from tests.support import oracle
from tests.support.strategies import Frame, frames, good_requests, json_values, nested, sized

LIMITS = Limits(oracle.MAX_DELAY, oracle.MAX_MESSAGE_BYTES, oracle.MAX_DEPTH)


def echo(data: Frame) -> str:
    return encode(answer(decode(data, LIMITS)))


def code(data: Frame) -> str:
    decoded = decode(data, LIMITS)
    assert isinstance(decoded, Error), decoded
    return decoded.code


def test_imports_nothing_that_does_io() -> None:
    """The contract imports neither Django nor Channels nor an event loop nor a socket."""
    sources = [Path(str(module.__file__)).read_text() for module in (contract, contract_http)]
    tree = ast.parse("\n".join(sources))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported == {
        "consumers",
        "dataclasses",
        "decimal",
        "json",
        "math",
        "msgspec",
        "re",
        "typing",
        "urllib",
    }


def test_loads_without_django() -> None:
    """Importing the contract in a fresh interpreter loads neither Django nor asyncio."""
    program = (
        "import sys, consumers.contract_http;"
        "print({'django', 'channels', 'asyncio', 'asgiref'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert run.stdout.strip() == "set()"


@given(frames())
@example('{"message":-0}')
@example('{"message":' + "1" * 4301 + "}")
def test_does_to_any_input_what_the_oracle_says(data: Frame) -> None:
    """Whatever comes in, the reply is the one that the naive second contract expects."""
    assert oracle.read(echo(data)) == oracle.expect(data)


@given(st.binary() | st.text())
def test_never_raises(data: Frame) -> None:
    """Any bytes and any text, lone surrogates too, get a reply and no exception."""
    assert echo(data).startswith(('{"message":', '{"error":'))


@given(json_values())
def test_echoes_every_value(value: object) -> None:
    """Every JSON value comes back as the very value that was sent."""
    request = json.dumps({"message": value})

    assert oracle.read(echo(request)) == (None, oracle.parse(json.dumps(value).encode()))


@given(good_requests())
def test_answers_binary_as_text(request_text: str) -> None:
    """A request in a binary message gets the bytes it would get in a text message."""
    assert echo(request_text.encode()) == echo(request_text)


def test_writes_compact_utf8() -> None:
    """Replies have no spaces, and characters stand for themselves."""
    assert echo('{ "message" : [ "\\u00e9\\ud83d\\ude00" , 1 ] }') == '{"message":["é😀",1]}'


def test_keeps_members_in_order() -> None:
    """Members come back in the order sent; of a duplicate name the last value wins."""
    assert echo('{"message":{"b":1,"a":2,"b":3}}') == '{"message":{"b":3,"a":2}}'


def test_keeps_an_integer_of_sixty_thousand_digits() -> None:
    """An integer as long as a message may be comes back digit for digit."""
    request = '{"message":' + "12345" * 12_000 + "}"

    assert echo(request) == request


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "invalid_json", id="empty"),
        pytest.param('{"message":NaN}', "invalid_json", id="nan"),
        pytest.param('{"message":1e400}', "invalid_json", id="no-double"),
        pytest.param('\ufeff{"message":1}', "invalid_json", id="byte-order-mark"),
        pytest.param('{"message":"\ud800"}', "invalid_json", id="lone-surrogate-as-text"),
        pytest.param(b'{"message":"\\ud800"}', "invalid_json", id="lone-surrogate-escaped"),
        pytest.param(b'{"message":"\xff"}', "invalid_json", id="not-utf-8"),
        pytest.param("[]", "invalid_request", id="no-object"),
        pytest.param("{}", "invalid_request", id="no-message"),
        pytest.param('{"message":1,"delay":true}', "invalid_request", id="delay-true"),
        pytest.param('{"message":1,"delay":1.5}', "invalid_request", id="delay-too-long"),
        pytest.param(nested(101), "too_deep", id="too-deep"),
        pytest.param("[" * 60_000, "too_deep", id="far-too-deep"),
        pytest.param(sized(64 * 1024 + 1), "too_large", id="too-large"),
    ],
)
def test_names_what_is_wrong(data: Frame, expected: str) -> None:
    """Each kind of bad input has its code."""
    assert code(data) == expected


@pytest.mark.parametrize("data", [nested(100), sized(64 * 1024)], ids=["depth", "size"])
def test_accepts_what_is_just_within_the_limits(data: str) -> None:
    """A request exactly at a limit is echoed."""
    assert echo(data) == data


def asking(method: str, query: bytes = b"", encoding: bytes = b"") -> dict[str, Any]:
    """The scope of an HTTP request."""
    headers = [(b"content-encoding", encoding)]
    return {"method": method, "query_string": query, "headers": headers}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_get_answers_as_post(message: str) -> None:
    """``?message=...`` asks what ``{"message": "..."}`` does."""
    query = urlencode({"message": message, "delay": "0.25"}).encode()

    assert decode_http(asking("GET", query), b"", LIMITS) == Request(message, 0.25)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", "invalid_request"),
        (b"message=1&delay=soon", "invalid_request"),
        (b"message=1&delay=%5B" + b"%5B" * 9000, "invalid_request"),
        (b"message=%ff", "invalid_json"),
        (b"message=" + b"x" * 65_536, "too_large"),
    ],
)
def test_get_names_what_is_wrong(query: bytes, expected: str) -> None:
    """A bad query gets the code that a bad body would."""
    decoded = decode_http(asking("GET", query), b"", LIMITS)

    assert isinstance(decoded, Error)
    assert decoded.code == expected


@given(st.sampled_from(["GET", "HEAD", "POST", "PUT", ""]), st.binary(), st.binary(), st.binary())
def test_http_never_raises(method: str, query: bytes, encoding: bytes, body: bytes) -> None:
    """Any method, query, encoding and body get a status and a JSON body of the stated length."""
    request = decode_http(asking(method, query, encoding), body, LIMITS)
    reply = encode_http(method, request)
    headers = dict(reply.headers)

    assert reply.status == (STATUS[request.code] if isinstance(request, Error) else 200)
    assert headers[b"Content-Type"] == b"application/json"
    assert method == "HEAD" or int(headers[b"Content-Length"]) == len(reply.body)


def test_other_methods_get_the_list_of_those_allowed() -> None:
    """Any other method gets 405 and the Allow header."""
    reply = encode_http("PUT", decode_http(asking("PUT"), b"", LIMITS))

    assert reply.status == 405
    assert (b"Allow", b"GET, HEAD, POST") in reply.headers


@pytest.mark.parametrize("encoding", [b"gzip", b"Br", b"gzip, identity", b"\xff"])
def test_an_encoded_body_is_refused(encoding: bytes) -> None:
    """A body in any Content-Encoding gets 415, and a header that says which one is accepted."""
    reply = encode_http("POST", decode_http(asking("POST", b"", encoding), b"{}", LIMITS))

    assert reply.status == 415
    assert (b"Accept-Encoding", b"identity") in reply.headers


def test_head_gets_the_headers_of_get_and_no_body() -> None:
    """HEAD has the status and headers of GET, which say that the reply is JSON and not to store."""
    request = decode_http(asking("GET", b"message=hi"), b"", LIMITS)

    assert encode_http("HEAD", request) == encode_http("GET", request)._replace(body=b"")
    assert encode_http("GET", request).headers == [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"16"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Cache-Control", b"no-store"),
    ]
