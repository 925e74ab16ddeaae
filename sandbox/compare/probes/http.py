"""What HTTP has and WebSockets have not: methods, statuses, headers, queries."""

import gzip

from sandbox.compare.observations import ErrorReply, Reply, Response
from sandbox.compare.probe import HI, HI_BACK, NO_METHODS, Probe, group
from sandbox.compare.steps import Request

JSON_TYPE = ("content-type", "application/json")
SAFE = (JSON_TYPE, ("x-content-type-options", "nosniff"), ("cache-control", "no-store"))
SAFE_NAMES = tuple(name for name, _ in SAFE)

HTTP = group(
    "HTTP",
    Probe(
        "post-headers",
        "A reply says what it is, and that it is not to be sniffed or stored.",
        (Request("POST", body=HI.encode(), look_at=SAFE_NAMES),),
        (Response(200, HI_BACK, SAFE),),
    ),
    Probe(
        "error-headers",
        "An error says what it is, and that it is not to be sniffed or stored.",
        (Request("POST", body=b"{", look_at=SAFE_NAMES),),
        (Response(400, ErrorReply("invalid_json"), SAFE),),
    ),
    Probe(
        "get",
        "GET has its message in the query.",
        (Request("GET", "?message=hi"),),
        (Response(200, HI_BACK),),
    ),
    Probe(
        "get-nothing",
        "GET without a message is an error.",
        (Request("GET"),),
        (Response(400, ErrorReply("invalid_request")),),
    ),
    Probe(
        "get-empty",
        "GET may ask for the empty string.",
        (Request("GET", "?message="),),
        (Response(200, Reply('{"message":""}')),),
    ),
    Probe(
        "get-unicode",
        "A query is UTF-8, percent-encoded.",
        (Request("GET", "?message=%C3%A9+%F0%9F%98%80"),),
        (Response(200, Reply('{"message":"é 😀"}')),),
    ),
    Probe(
        "get-bad-utf-8",
        "A query that is not UTF-8 is an error.",
        (Request("GET", "?message=%FF"),),
        (Response(400, ErrorReply("invalid_json")),),
    ),
    Probe(
        "get-delay",
        "GET may ask for a delay.",
        (Request("GET", "?message=hi&delay=0.01"), Request("GET", "?message=hi&delay=2")),
        (Response(200, HI_BACK), Response(400, ErrorReply("invalid_request"))),
    ),
    Probe(
        "head",
        "HEAD gets the headers of GET and no body.",
        (Request("HEAD", "?message=hi", look_at=("content-type", "content-length")),),
        (Response(200, headers=(JSON_TYPE, ("content-length", "16"))),),
    ),
    *(
        Probe(
            f"method-{method.lower()}",
            f"{method} is not allowed, and the response says what is.",
            (Request(method, body=HI.encode(), look_at=("allow",)),),
            (Response(405, ErrorReply("method_not_allowed"), (("allow", "GET, HEAD, POST"),)),),
        )
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS")
    ),
    *(
        Probe(
            f"type-{name}",
            sentence,
            (Request("POST", headers=headers, body=HI.encode()),),
            (Response(200, HI_BACK),),
        )
        for name, sentence, headers in (
            ("none", "A request needs no content type.", ()),
            (
                "form",
                "What curl -d calls a form is read as JSON.",
                (("Content-Type", "application/x-www-form-urlencoded"),),
            ),
            (
                "latin-1",
                "A charset that is not UTF-8 does not matter.",
                (("Content-Type", "text/plain; charset=latin-1"),),
            ),
        )
    ),
    Probe(
        "encoding-gzip",
        "A body in another Content-Encoding is refused, and the response says what is accepted.",
        (
            Request(
                "POST",
                headers=(("Content-Encoding", "gzip"),),
                body=gzip.compress(HI.encode(), mtime=0),
                look_at=("accept-encoding",),
            ),
        ),
        (Response(415, ErrorReply("unsupported_encoding"), (("accept-encoding", "identity"),)),),
    ),
    Probe(
        "encoding-identity",
        "Content-Encoding: identity is the same as none.",
        (Request("POST", headers=(("Content-Encoding", "Identity"),), body=HI.encode()),),
        (Response(200, HI_BACK),),
    ),
    Probe(
        "keep-alive",
        "A connection serves one request after another.",
        tuple(Request("POST", body=b'{"message":%d}' % number) for number in range(3)),
        tuple(Response(200, Reply(f'{{"message":{number}}}')) for number in range(3)),
    ),
    Probe(
        "http-unknown-path",
        "An unknown path is Django's 404.",
        (Request("GET", "nowhere/"),),
        (Response(404),),
    ),
    only=("http",),
    because=NO_METHODS,
)
