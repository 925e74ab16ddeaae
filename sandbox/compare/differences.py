"""The differences that are known, each with its reason.

What differs and is not here is a failure; what is here and no longer seen is one too. A cell may be
in one row only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sandbox.compare.probes import nested, sized
from sandbox.compare.steps import brief, request_of

SERVERS = ("daphne", "uvicorn", "hypercorn", "granian")

STALLING = ("stock/websocket", "stock/json-websocket")
"""A wait in one of these exhibits is a wait for all."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is seen instead of what the contract says, and why."""

    reason: str
    exhibits: tuple[str, ...]
    """Ids, or patterns of ids."""
    seen: Mapping[str, str]
    """The words for what is seen, by probe."""
    servers: tuple[str, ...] = SERVERS


# What the servers make of the same consumer. The probes say what is seen on Daphne.

ALL = ("*",)
CAREFUL = ("echo/*", "stock/*", "tuned/*", "baseline/*", "rooms/*", "worker/*")
VIOLATIONS = ("stray-continuation", "unfinished-message", "long-ping")

_SERVERS = (
    Difference(
        "Daphne makes a 403 of every refusal; the others send the application's status.",
        ALL,
        {
            "unknown-path": "refused 404",
            **dict.fromkeys(("room-too-long", "room-space", "room-letters"), "refused 404"),
        },
        ("uvicorn", "hypercorn", "granian"),
    ),
    Difference(
        "Daphne refuses an Origin that is no URL before the application, which says 403, sees it.",
        ALL,
        {"origin-malformed": "refused 403"},
        ("uvicorn", "hypercorn", "granian"),
    ),
    Difference(
        "Daphne answers every close with 1000; the others send the client's code back.",
        ALL,
        {"close-answer": "closed 4000"},
        ("uvicorn", "hypercorn", "granian"),
    ),
    Difference(
        "Uvicorn and Hypercorn take up an offer to compress.",
        ALL,
        {"compression": "open, compressed"},
        ("uvicorn", "hypercorn"),
    ),
    Difference(
        "Daphne's cap is 1 MiB, the others' 16 MiB: below it the answer is the contract's.",
        CAREFUL,
        {"over-1-mib": "error too_large"},
        ("uvicorn", "hypercorn", "granian"),
    ),
    Difference(
        "Over their cap Uvicorn and Hypercorn close with 1009, message too big.",
        ALL,
        {"over-16-mib": "closed 1009"},
        ("uvicorn", "hypercorn"),
    ),
    Difference(
        "Over its cap Granian closes without a code.",
        ALL,
        {"over-16-mib": "closed 1005"},
        ("granian",),
    ),
    Difference(
        "Uvicorn tells a client that breaks the protocol so; Daphne and Hypercorn just drop it.",
        ALL,
        {"text-not-utf-8": "closed 1007", **dict.fromkeys(VIOLATIONS, "closed 1002")},
        ("uvicorn",),
    ),
    Difference(
        "Granian closes on a client that breaks the protocol without a code.",
        ALL,
        dict.fromkeys(("text-not-utf-8", *VIOLATIONS), "closed 1005"),
        ("granian",),
    ),
    Difference(
        "Uvicorn and Granian call it 1005, a close without a code, when a client vanishes.",
        ALL,
        {"vanish": "disconnect 1005"},
        ("uvicorn", "granian"),
    ),
    Difference(
        "Hypercorn tells the consumer 1006 whatever code the client closed with.",
        ALL,
        dict.fromkeys(("close-1000", "close-1001", "close-4000"), "disconnect 1006"),
        ("hypercorn",),
    ),
    Difference(
        "Hypercorn tells the consumer 1006 whatever code the client closed with.",
        CAREFUL,
        {"close-after-error": "error invalid_json; disconnect 1006"},
        ("hypercorn",),
    ),
)

# What stock lacks.

_STOCK = (
    Difference(
        "Channels runs all synchronous consumers of a process on one thread.",
        STALLING,
        {"neighbours": "the neighbour waits"},
    ),
)

# What the tutorials leave out.

TUTORIAL = ("tutorial/*",)
TUTORIAL_WEBSOCKET = ("tutorial/*websocket",)
TUTORIAL_HTTP = ("tutorial/async-http",)

UNCAUGHT = {
    "daphne": "closed 1011",
    "uvicorn": "closed 1006",
    "hypercorn": "closed 1011",
    "granian": "closed 1005",
}
"""What becomes of a WebSocket whose consumer raises."""

UNCAUGHT_JSON = "Nobody catches what json.loads raises."
DEEP, LARGE = nested(101)[0], sized(65_537)[0]
HI_BACK = '{"message":"hi"}'


def _ends(reason: str, *probes: str, first: str = "", then: str = "") -> Iterator[Difference]:
    """An exception ends the WebSocket, in each server's own way."""
    for server, words in UNCAUGHT.items():
        seen = dict.fromkeys(probes, first + words + then)
        yield Difference(reason, TUTORIAL_WEBSOCKET, seen, (server,))


def _dies(reason: str, *probes: str, then: str = "") -> Iterator[Difference]:
    """An exception ends the WebSocket; over HTTP it costs one request, ``then`` goes on."""
    yield from _ends(reason, *probes)
    yield Difference(reason, TUTORIAL_HTTP, dict.fromkeys(probes, f"HTTP 500{then}"))


_TUTORIAL = (
    Difference(
        "json.dumps puts a space after a colon and escapes what is not ASCII.",
        TUTORIAL,
        {"reply-bytes": r'{"message": ["\u00e9", "\u00e9", 1.0]}'},
    ),
    *_dies(
        UNCAUGHT_JSON,
        "raw-control",
        "leading-zero",
        "no-break-space",
        "trailing-comma",
        "two-documents",
        "truncated",
        "plain-text",
        "bad-utf-8",
        "empty-text",
    ),
    *_dies(
        "Nobody catches what Python raises over more than 4,300 digits.",
        "digits-5000",
        "surrogate-by-digits",
    ),
    *_dies("Nobody catches the RecursionError of json.loads.", "depth-far-over", "depth-unclosed"),
    *_dies(
        "Nobody looks whether the request is an object with a message.",
        "array",
        "string",
        "bare-null",
        "no-message",
        "message-in-capitals",
    ),
    *_dies(
        "An exception ends a WebSocket; over HTTP it costs one request only.",
        "after-invalid-json",
        "after-invalid-request",
        "after-empty",
        "after-bad-binary",
        then=f"; {HI_BACK}",
    ),
    *_ends(
        "The consumer wants text, and a binary message has none.",
        "binary",
        "empty-binary",
        "utf-16",
    ),
    *_ends(UNCAUGHT_JSON, "byte-order-mark"),
    *_ends(UNCAUGHT_JSON, "error-behind-message", first=f"{HI_BACK}; "),
    Difference(
        "json.loads guesses the encoding of bytes, and takes a byte order mark.",
        TUTORIAL_HTTP,
        dict.fromkeys(("byte-order-mark", "utf-16"), '{"message": "hi"}'),
    ),
    *_ends(
        "Channels does not call disconnect after an exception, so that nothing is cleaned up.",
        "close-after-error",
        then="; no disconnect",
    ),
    Difference(
        "json takes and writes what JSON does not have, and JSON.parse of a browser refuses.",
        TUTORIAL,
        {
            "nan": '{"message": NaN}',
            "infinity": '{"message": [-Infinity]}',
            "over-double": '{"message": Infinity}',
            "lone-surrogate": r'{"message": "\ud800"}',
        },
    ),
    Difference(
        "A tutorial has no delay.",
        TUTORIAL,
        {
            "delay": '{"message":1}, too early',
            "neighbours": "nobody waits",
            **dict.fromkeys(
                (
                    "delay-too-long",
                    "delay-negative",
                    "delay-true",
                    "delay-null",
                    "delay-string",
                ),
                '{"message": 1}',
            ),
        },
    ),
    Difference(
        "A tutorial has no limits.",
        TUTORIAL,
        {
            "depth-over": brief(DEEP),
            "size-over": brief(LARGE),
            "size-in-bytes": brief('{"message": "' + r"\u00e9" * 40_000 + '"}'),
            "after-too-deep": f"{brief(DEEP)}; {HI_BACK}",
            "after-too-large": f"{brief(LARGE)}; {HI_BACK}",
        },
    ),
    Difference(
        "A tutorial has no limits, and only Daphne's cap is as low as 1 MiB.",
        TUTORIAL_WEBSOCKET,
        {"over-1-mib": brief(request_of(2**20 + 1))},
        ("uvicorn", "hypercorn", "granian"),
    ),
    Difference(
        "A tutorial has no limits.",
        TUTORIAL_HTTP,
        {"large-body": brief(request_of(2**21))},
    ),
    Difference(
        "A tutorial reads the body, and nobody catches that a GET has none.",
        TUTORIAL_HTTP,
        {
            **dict.fromkeys(
                ("get", "get-nothing", "get-empty", "get-unicode", "get-bad-utf-8", "head"),
                "HTTP 500",
            ),
            "get-delay": "HTTP 500; HTTP 500",
        },
    ),
    Difference(
        "A tutorial does not look at the method.",
        TUTORIAL_HTTP,
        {
            f"method-{method}": 'HTTP 200 {"message": "hi"}, allow: none'
            for method in ("put", "patch", "delete", "options")
        },
    ),
    Difference(
        "A tutorial sends no headers but the content type.",
        TUTORIAL_HTTP,
        {
            "post-headers": 'HTTP 200 {"message":"hi"}, content-type: application/json, '
            "x-content-type-options: none, cache-control: none",
        },
    ),
    Difference(UNCAUGHT_JSON, TUTORIAL_HTTP, {"error-headers": "HTTP 500"}),
)

DIFFERENCES: tuple[Difference, ...] = (*_SERVERS, *_STOCK, *_TUTORIAL)


def declared(probe: str, exhibit: str, server: str) -> list[Difference]:
    """Find the rows that speak of a cell: none or one."""
    return [
        difference
        for difference in DIFFERENCES
        if probe in difference.seen
        and server in difference.servers
        and any(fnmatchcase(exhibit, pattern) for pattern in difference.exhibits)
    ]
