"""The differences that are known, each with its reason.

What differs and is not here is a failure; what is here and no longer seen is one too. A cell may be
in one row only. A row whose reason is an exception names it, and the tests find it in the log.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType

from packaging.specifiers import SpecifierSet

from consumers.catalogue import EDITIONS
from sandbox.compare.observations import (
    Closed,
    Disconnect,
    Early,
    ErrorReply,
    Neighbour,
    NoDelay,
    NoDisconnect,
    Observation,
    Observations,
    Opened,
    Refused,
    Reply,
    Response,
    Silence,
)
from sandbox.compare.probe import nested, sized
from sandbox.compare.steps import request_of

SERVERS = ("daphne", "uvicorn", "hypercorn", "granian")
ALL_BUT_DAPHNE = ("uvicorn", "hypercorn", "granian")
EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Difference:
    """What is seen instead of what the contract says, and why."""

    reason: str
    exhibits: tuple[str, ...]
    """Ids, or patterns of ids."""
    seen: Mapping[str, Observations]
    """By probe."""
    servers: tuple[str, ...] = SERVERS
    raises: str = ""
    """How the exception that ended the connection or the request begins in the server's log."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """With which versions of which packages it is seen, such as ``{"channels": "<4.2"}``; with all
    unless given."""

    def covers(
        self, probe: str, exhibit: str, server: str, versions: Mapping[str, str] = EMPTY
    ) -> bool:
        """Whether a cell is in this row; ``versions`` are those of its environment, if known."""
        return (
            probe in self.seen
            and server in self.servers
            and any(fnmatchcase(exhibit, pattern) for pattern in self.exhibits)
            and all(
                name in versions and SpecifierSet(specifier).contains(versions[name])
                for name, specifier in self.packages.items()
            )
        )


def declared(
    probe: str, exhibit: str, server: str, versions: Mapping[str, str] = EMPTY
) -> Difference | None:
    """Find the row for a cell."""
    rows = (row for row in DIFFERENCES if row.covers(probe, exhibit, server, versions))
    return next(rows, None)


def _each(probes: Iterable[str], *seen: Observation) -> dict[str, Observations]:
    return dict.fromkeys(probes, seen)


# What the servers make of the same consumer. The probes say what is seen on Daphne.

ALL = ("*",)
CAREFUL = tuple(f"{name}/*" for name, edition in EDITIONS.items() if edition.keeps_contract)
VIOLATIONS = ("stray-continuation", "unfinished-message", "long-ping")

_SERVERS = (
    Difference(
        "Daphne makes a 403 of every refusal; the others send the application's status.",
        ALL,
        _each(
            (
                "unknown-path",
                "room-too-long",
                "room-space",
                "room-letters",
                "room-dot",
                "room-two-dots",
            ),
            Refused(404),
        ),
        ALL_BUT_DAPHNE,
    ),
    Difference(
        "Daphne makes a 403 of every refusal; the others send the application's status.",
        ALL,
        _each(("host-foreign", "host-look-alike"), Refused(400)),
        ALL_BUT_DAPHNE,
    ),
    Difference(
        "Daphne refuses an Origin that is no URL before the application, which says 403, sees it.",
        ALL,
        {"origin-malformed": (Refused(403),)},
        ALL_BUT_DAPHNE,
    ),
    Difference(
        "Daphne answers every close with 1000; the others send the client's code back.",
        ALL,
        {"close-answer": (Closed(4000),)},
        ALL_BUT_DAPHNE,
    ),
    Difference(
        "Uvicorn and Hypercorn take up an offer to compress.",
        ALL,
        {"compression": (Opened(compressed=True),)},
        ("uvicorn", "hypercorn"),
    ),
    Difference(
        "Daphne's cap is 1 MiB, the others' 16 MiB: below it the answer is the contract's.",
        CAREFUL,
        {"over-1-mib": (ErrorReply("too_large"),)},
        ALL_BUT_DAPHNE,
    ),
    Difference(
        "Over their cap Uvicorn and Hypercorn close with 1009, message too big.",
        ALL,
        {"over-16-mib": (Closed(1009),)},
        ("uvicorn", "hypercorn"),
    ),
    Difference(
        "Over its cap Granian closes without a code.",
        ALL,
        {"over-16-mib": (Closed(1005),)},
        ("granian",),
    ),
    Difference(
        "On a protocol violation Uvicorn closes with the code that RFC 6455 has for it; Daphne and "
        "Hypercorn end the connection without a close frame.",
        ALL,
        {"text-not-utf-8": (Closed(1007),), **_each(VIOLATIONS, Closed(1002))},
        ("uvicorn",),
    ),
    Difference(
        "On a protocol violation Granian closes without a code.",
        ALL,
        _each(("text-not-utf-8", *VIOLATIONS), Closed(1005)),
        ("granian",),
    ),
    Difference(
        "Uvicorn and Granian report 1005, a close without a code, when a client vanishes.",
        ALL,
        _each(("vanish", "vanish-while-waiting"), Disconnect(1005)),
        ("uvicorn", "granian"),
    ),
    Difference(
        "Hypercorn reports 1006 to the consumer, whatever code the client closed with.",
        ALL,
        _each(
            ("close-1000", "close-1001", "close-4000", "close-empty", "leave-while-waiting"),
            Disconnect(1006),
        ),
        ("hypercorn",),
    ),
    Difference(
        "Hypercorn reports 1006 to the consumer, whatever code the client closed with.",
        CAREFUL,
        {"close-after-error": (ErrorReply("invalid_json"), Disconnect(1006))},
        ("hypercorn",),
    ),
)

# What stock lacks.

_STOCK = (
    Difference(
        "Channels runs all synchronous consumers of a process on one thread.",
        ("stock/websocket", "stock/json-websocket"),
        {"neighbours": (Neighbour(waits=True),)},
    ),
)

# What ends the tutorials' connections: exceptions that they do not catch.

TUTORIAL = ("tutorial/*",)
WEBSOCKETS = ("tutorial/*websocket",)
PLAIN_WEBSOCKETS = ("tutorial/websocket", "tutorial/async-websocket")
JSON_WEBSOCKETS = ("tutorial/json-websocket", "tutorial/async-json-websocket")
HTTP = ("tutorial/async-http",)

UNCAUGHT = {
    "daphne": Closed(1011),
    "uvicorn": Closed(1006),
    "hypercorn": Closed(1011),
    "granian": Closed(1005),
}
"""How each server ends a WebSocket whose consumer raises."""
FAILED = Response(500)
HI_SPACED = Reply('{"message": "hi"}')
"""As json.dumps writes it."""


@dataclass(frozen=True, slots=True)
class Uncaught:
    """An exception that the tutorial's consumers do not catch."""

    raises: str
    reason: str

    def ends(
        self,
        exhibits: tuple[str, ...],
        *probes: str,
        first: Observations = (),
        then: Observations = (),
    ) -> Iterator[Difference]:
        """End the WebSocket, in each server's own way, ``first`` and ``then`` around it."""
        for server, closed in UNCAUGHT.items():
            seen = _each(probes, *first, closed, *then)
            yield Difference(self.reason, exhibits, seen, (server,), self.raises)

    def fails(self, *probes: str, then: Observations = ()) -> Difference:
        """Fail one HTTP request; the next one on the same connection sees ``then``."""
        return Difference(self.reason, HTTP, _each(probes, FAILED, *then), SERVERS, self.raises)


BAD_JSON = Uncaught(
    "JSONDecodeError: ",
    "json.loads raises JSONDecodeError, which the consumer does not catch: it ends a WebSocket, "
    "over HTTP it fails one request.",
)
NOT_UTF8 = Uncaught(
    "UnicodeDecodeError: 'utf-8' codec can't decode",
    "json.loads raises UnicodeDecodeError on bytes that are not UTF-8.",
)
DIGITS = Uncaught(
    "ValueError: Exceeds the limit (4300 digits)",
    "Python raises ValueError for an integer of more than 4,300 digits.",
)
DEPTH = Uncaught(
    "RecursionError: maximum recursion depth exceeded",
    "json.loads raises RecursionError where a request is nested too deep.",
)
NO_OBJECT = Uncaught(
    "TypeError: ",
    'The consumer takes ["message"] of what is not an object: TypeError.',
)
NO_MESSAGE = Uncaught(
    "KeyError: 'message'", "The consumer does not check that there is a message: KeyError."
)
NO_TEXT_ARGUMENT = Uncaught(
    "TypeError: ChatConsumer.receive() got an unexpected keyword argument 'bytes_data'",
    "The consumer's receive has no parameter bytes_data, which Channels passes for a binary "
    "message: TypeError.",
)
NO_TEXT = Uncaught(
    "ValueError: No text section for incoming WebSocket frame!",
    "The JSON consumers of Channels raise ValueError on a message without text, binary or empty.",
)

NO_BODY = Uncaught(
    BAD_JSON.raises,
    "The consumer reads the body whatever the method, and a GET or HEAD has none: json.loads "
    "raises JSONDecodeError.",
)

_EXCEPTIONS = (
    *BAD_JSON.ends(
        WEBSOCKETS,
        "raw-control",
        "leading-zero",
        "no-break-space",
        "trailing-comma",
        "two-documents",
        "truncated",
        "plain-text",
        "byte-order-mark",
        "after-invalid-json",
    ),
    *BAD_JSON.ends(PLAIN_WEBSOCKETS, "empty-text", "after-empty"),
    *BAD_JSON.ends(WEBSOCKETS, "error-behind-message", first=(HI_SPACED,)),
    BAD_JSON.fails(
        "raw-control",
        "leading-zero",
        "no-break-space",
        "trailing-comma",
        "two-documents",
        "truncated",
        "plain-text",
        "empty-text",
        "error-headers",
    ),
    NO_BODY.fails("get", "get-nothing", "get-empty", "get-unicode", "get-bad-utf-8", "head"),
    NO_BODY.fails("get-delay", then=(FAILED,)),
    BAD_JSON.fails("after-invalid-json", "after-empty", "after-bad-binary", then=(HI_SPACED,)),
    NOT_UTF8.fails("bad-utf-8", "encoding-gzip"),
    *DIGITS.ends(WEBSOCKETS, "digits-5000", "surrogate-by-digits"),
    DIGITS.fails("digits-5000", "surrogate-by-digits"),
    *DEPTH.ends(WEBSOCKETS, "depth-far-over", "depth-unclosed"),
    DEPTH.fails("depth-far-over", "depth-unclosed"),
    *NO_OBJECT.ends(WEBSOCKETS, "array", "string", "bare-null"),
    NO_OBJECT.fails("array", "string", "bare-null"),
    *NO_MESSAGE.ends(WEBSOCKETS, "no-message", "message-in-capitals", "after-invalid-request"),
    NO_MESSAGE.fails("no-message", "message-in-capitals"),
    NO_MESSAGE.fails("after-invalid-request", then=(HI_SPACED,)),
    *NO_TEXT_ARGUMENT.ends(
        PLAIN_WEBSOCKETS, "binary", "empty-binary", "utf-16", "bad-utf-8", "after-bad-binary"
    ),
    *NO_TEXT.ends(
        JSON_WEBSOCKETS,
        "binary",
        "empty-binary",
        "utf-16",
        "bad-utf-8",
        "after-bad-binary",
        "empty-text",
        "after-empty",
    ),
    *Uncaught(
        BAD_JSON.raises,
        "Channels does not call disconnect after an exception, here a JSONDecodeError, so that "
        "nothing is cleaned up.",
    ).ends(WEBSOCKETS, "close-after-error", then=(NoDisconnect(),)),
)
# What else the tutorials leave out.

DEEP, LARGE = Reply(nested(101)[0]), Reply(sized(65_537)[0])
ONE = Reply('{"message": 1}')

_TUTORIAL = (
    Difference(
        "json.dumps puts a space after a colon and escapes what is not ASCII.",
        TUTORIAL,
        {"reply-bytes": (Reply(r'{"message": ["\u00e9", "\u00e9", 1.0]}'),)},
    ),
    Difference(
        "json.loads guesses the encoding of bytes, and takes a byte order mark.",
        HTTP,
        _each(("byte-order-mark", "utf-16"), HI_SPACED),
    ),
    Difference(
        "json reads and writes NaN and Infinity, which are not JSON: a browser's JSON.parse raises "
        "SyntaxError on the reply.",
        TUTORIAL,
        {
            "nan": (Reply('{"message": NaN}'),),
            "infinity": (Reply('{"message": [-Infinity]}'),),
            "over-double": (Reply('{"message": Infinity}'),),
        },
    ),
    Difference(
        "json reads half an escaped pair as a character, which UTF-8 cannot hold.",
        TUTORIAL,
        {"lone-surrogate": (Reply(r'{"message": "\ud800"}'),)},
    ),
    Difference(
        "A tutorial has no delay.",
        TUTORIAL,
        {
            "delay": (Early(ONE),),
            "neighbours": (NoDelay(),),
            **_each(
                (
                    "delay-too-long",
                    "delay-negative",
                    "delay-true",
                    "delay-null",
                    "delay-string",
                ),
                ONE,
            ),
        },
    ),
    Difference(
        "A tutorial has no limits.",
        TUTORIAL,
        {
            "depth-over": (DEEP,),
            "size-over": (LARGE,),
            "size-in-bytes": (Reply('{"message": "' + r"\u00e9" * 40_000 + '"}'),),
            "after-too-deep": (DEEP, HI_SPACED),
            "after-too-large": (LARGE, HI_SPACED),
        },
    ),
    Difference(
        "A tutorial has no limits.",
        HTTP,
        {"large-body": (Reply(request_of(2**21)),)},
    ),
    Difference(
        "A tutorial has no limits, and only Daphne's cap is as low as 1 MiB.",
        WEBSOCKETS,
        {"over-1-mib": (Reply(request_of(2**20 + 1)),)},
        ALL_BUT_DAPHNE,
    ),
    Difference(
        "A tutorial does not look at the method.",
        HTTP,
        _each(
            ("method-put", "method-patch", "method-delete", "method-options"),
            Response(200, HI_SPACED, (("allow", None),)),
        ),
    ),
    Difference(
        "A tutorial sends no headers but the content type.",
        HTTP,
        {
            "post-headers": (
                Response(
                    200,
                    HI_SPACED,
                    (
                        ("content-type", "application/json"),
                        ("x-content-type-options", None),
                        ("cache-control", None),
                    ),
                ),
            ),
        },
    ),
)

# What other versions do. Of the rows for a cell, that of its version counts.

NO_TEXT_IN_BINARY = tuple(
    f"{name}/*websocket"
    for name, edition in EDITIONS.items()
    if edition.keeps_contract and not edition.is_baseline
)

_VERSIONS = (
    Difference(
        "Daphne has a cap of 1 MiB since 4.2.2; before that it takes a message of any size.",
        CAREFUL,
        _each(("over-1-mib", "over-16-mib"), ErrorReply("too_large")),
        ("daphne",),
        packages={"daphne": "<4.2.2"},
    ),
    *(
        Difference(
            "Daphne has a cap of 1 MiB since 4.2.2, and a tutorial has no limits.",
            WEBSOCKETS,
            {probe: (Reply(request_of(size)),)},
            ("daphne",),
            packages={"daphne": "<4.2.2"},
        )
        for probe, size in (("over-1-mib", 2**20 + 1), ("over-16-mib", 2**24 + 1))
    ),
    Difference(
        "Before Channels 4.1 an AsyncHttpConsumer swallows the exceptions of its handler: Daphne "
        "does not learn of them, and the client waits for a response that does not come.",
        HTTP,
        _each(
            {probe for row in _EXCEPTIONS if row.exhibits == HTTP for probe in row.seen},
            Silence(20.0),
        ),
        ("daphne",),
        packages={"channels": "<4.1"},
    ),
    Difference(
        "Before Channels 4.2 a consumer on Hypercorn does not get the bytes of a binary message: "
        "Hypercorn sends a text of None with them, and Channels takes that.",
        NO_TEXT_IN_BINARY,
        {
            **_each(("binary", "utf-16", "bad-utf-8"), ErrorReply("invalid_json")),
            "after-bad-binary": (ErrorReply("invalid_json"), Reply('{"message":"hi"}')),
        },
        ("hypercorn",),
        packages={"channels": "<4.2"},
    ),
)

DIFFERENCES: tuple[Difference, ...] = (
    *_VERSIONS,
    *_SERVERS,
    *_STOCK,
    *_EXCEPTIONS,
    *_TUTORIAL,
)
