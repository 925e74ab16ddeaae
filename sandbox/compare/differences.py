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
    Answers,
    Closed,
    Disconnect,
    Early,
    ErrorReply,
    Failed,
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
from sandbox.compare.probes.raw_websocket import EARLY, EARLY_BACK
from sandbox.compare.steps import request_of

SERVERS = ("daphne", "uvicorn", "hypercorn", "granian")
UVICORN = ("uvicorn", "uvicorn-deflate", "uvicorn-websockets", "uvicorn-wsproto")
ALL_BUT_DAPHNE = (*UVICORN, "hypercorn", "granian")
EVERYWHERE = ("daphne", *ALL_BUT_DAPHNE)
EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Difference:
    """What is seen instead of what the contract says, and why."""

    reason: str
    exhibits: tuple[str, ...]
    """Ids, or patterns of ids."""
    seen: Mapping[str, Observations]
    """By probe."""
    servers: tuple[str, ...] = EVERYWHERE
    raises: str = ""
    """How the exception that ended the connection or the request begins in the server's log."""
    cure: str = ""
    """What to do about it: a flag, a file of ``routing/``, or what a proxy in front does."""
    link: str = ""
    """URL of the maintainers' issue, or of their documentation."""
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
NGINX_WAITS = "nginx sends such bytes on only after the handshake, and they are answered."
VIOLATIONS = ("stray-continuation", "unfinished-message", "long-ping")
ONLY_AT_THE_END = (
    "Uvicorn's implementation `websockets`, which is deprecated, reports a close only when the "
    "client has ended its side of the TCP connection as well."
)

_CONNECTIONS = (
    Difference(
        "This Uvicorn is started with compression, and accepts an offer.",
        ALL,
        {"compression": (Opened(compressed=True),)},
        ("uvicorn-deflate",),
    ),
    Difference(
        "Daphne turns every refusal into a 403; the others send the application's status.",
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
        "Daphne turns every refusal into a 403; the others send the application's status.",
        ALL,
        _each(("host-foreign", "host-look-alike"), Refused(400)),
        ALL_BUT_DAPHNE,
    ),
    Difference(
        "Daphne itself refuses an Origin that is no URL; on the others the application says 403.",
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
        "Daphne's cap is 1 MiB, the others' 16 MiB: below it the answer is the contract's.",
        CAREFUL,
        {"over-1-mib": (ErrorReply("too_large"),)},
        ALL_BUT_DAPHNE,
    ),
    Difference(
        "Over their cap Uvicorn and Hypercorn close with 1009, message too big.",
        ALL,
        {"over-16-mib": (Closed(1009),)},
        (*UVICORN, "hypercorn"),
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
        ("uvicorn", "uvicorn-deflate", "uvicorn-websockets"),
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
        ("uvicorn", "uvicorn-deflate", "uvicorn-wsproto", "granian"),
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
    Difference(
        "Hypercorn answers 400 to any byte that comes before its own answer to the handshake, but "
        "the consumer is connected already.",
        ALL,
        {"early-frame": (Refused(400),), "early-frame-end": (Refused(400), Disconnect(1006))},
        ("hypercorn",),
        cure=f"routing/hypercorn.py ends that consumer, which would wait for ever. {NGINX_WAITS}",
        link="https://github.com/davidbrochart/anycorn/pull/69",
    ),
    Difference(
        "Granian answers a message that comes before its own answer to the handshake; Daphne and "
        "Uvicorn lose it.",
        CAREFUL,
        {"early-frame": (Opened(), EARLY_BACK)},
        ("granian",),
        cure=NGINX_WAITS,
    ),
    Difference(
        "Daphne refuses the same subprotocol twice, as RFC 6455 demands; the others accept it.",
        ALL,
        {"subprotocol-twice": (Opened(),)},
        ALL_BUT_DAPHNE,
    ),
    Difference(
        "Daphne fails on a subprotocol that is not ASCII, with a traceback in its log; Uvicorn "
        "refuses it.",
        ALL,
        {"subprotocol-not-ascii": (Refused(400),)},
        ("uvicorn", "uvicorn-deflate"),
        link="https://github.com/django/daphne/pull/565",
    ),
    Difference(
        "Hypercorn does not answer a handshake whose subprotocol is not ASCII.",
        ALL,
        {"subprotocol-not-ascii": (Closed(1006),)},
        ("hypercorn",),
    ),
    Difference(
        "Granian accepts a subprotocol that is not ASCII.",
        ALL,
        {"subprotocol-not-ascii": (Opened(),)},
        ("granian",),
    ),
    Difference(
        "Hypercorn knows only the subprotocols of the last line.",
        ALL,
        {"subprotocol-lines": (Reply("superchat"),)},
        ("hypercorn",),
        cure="Clients put all of them into one line, as browsers do.",
        link="https://github.com/python-hyper/wsproto/issues/175",
    ),
    Difference(
        ONLY_AT_THE_END,
        ALL,
        _each(
            ("close-1000", "close-1001", "close-4000", "close-empty", "leave-while-waiting"),
            NoDisconnect(),
        ),
        ("uvicorn-websockets",),
    ),
    Difference(
        ONLY_AT_THE_END,
        ALL,
        {"early-frame-end": (Opened(), NoDisconnect())},
        ("uvicorn-websockets",),
    ),
    Difference(
        "Uvicorn's implementation wsproto does not answer a subprotocol that is not ASCII.",
        ALL,
        {"subprotocol-not-ascii": (Closed(1006),)},
        ("uvicorn-wsproto",),
    ),
    Difference(
        ONLY_AT_THE_END,
        CAREFUL,
        {"close-after-error": (ErrorReply("invalid_json"), NoDisconnect())},
        ("uvicorn-websockets",),
    ),
)

PROXY = "Behind nginx: nginx refuses it with 400."
HYPER = "https://github.com/hyperium/hyper/issues/4123"
GOOD, LAST = Response(200, Reply('{"message":"hi"}')), Response(200, Reply('{"message":"last"}'))
ANSWERED, BOTH_ANSWERED = Answers((GOOD,)), Answers((GOOD, LAST))

_RAW_HTTP = (
    Difference(
        "Daphne and Granian, and Uvicorn with httptools, accept a request without a Host.",
        ALL,
        {"no-host": (ANSWERED,)},
        ("daphne", *UVICORN, "granian"),
        cure=PROXY,
    ),
    Difference(
        "Daphne has 16 KiB for the request line and all headers together, and drops a connection "
        "without an answer when there are more.",
        ALL,
        _each(("long-line", "long-header"), Answers(())),
        ("daphne",),
        cure="Send long values in the body.",
        link="https://docs.twisted.org/en/stable/api/twisted.web.http.HTTPChannel.html",
    ),
    Difference(
        "Hypercorn ignores the Content-Length, and keeps the connection, which RFC 9112 forbids.",
        ALL,
        {"length-and-chunks": (BOTH_ANSWERED,)},
        ("hypercorn",),
        cure=PROXY,
    ),
    Difference(
        "Granian ignores the Content-Length and closes the connection, which RFC 9112 allows.",
        ALL,
        {"length-and-chunks": (ANSWERED,)},
        ("granian",),
        cure=PROXY,
        link=HYPER,
    ),
    Difference(
        "Hypercorn and Granian read two equal Content-Lengths as one, which RFC 9112 allows.",
        ALL,
        {"length-twice": (BOTH_ANSWERED,)},
        ("hypercorn", "granian"),
        cure=PROXY,
    ),
    Difference(
        "Uvicorn and Granian read only the last Transfer-Encoding, and pass on a body that is "
        "still encoded.",
        ALL,
        {"gzip-and-chunks": (BOTH_ANSWERED,)},
        (*UVICORN, "granian"),
        cure="Behind nginx: nginx refuses it with 501.",
    ),
    Difference(
        "Hypercorn refuses a Transfer-Encoding other than chunked with 501, as RFC 9112 says.",
        ALL,
        {"gzip-and-chunks": (Answers((Response(501),)),)},
        ("hypercorn",),
    ),
    Difference(
        "Daphne and Hypercorn join the lines of a folded header, which RFC 9112 allows.",
        ALL,
        {"folded-header": (ANSWERED,)},
        ("daphne", "hypercorn"),
        cure=PROXY,
    ),
    Difference(
        "Hypercorn and Granian treat a line feed as the end of a line, which RFC 9112 allows.",
        ALL,
        {"bare-line-feeds": (ANSWERED,)},
        ("hypercorn", "granian"),
        cure="Behind nginx: it is answered by every server.",
    ),
    Difference(
        "Daphne treats a line feed as part of the line, and waits for the end of the line.",
        ALL,
        {"bare-line-feeds": (Answers((), ended=False),)},
        ("daphne",),
    ),
    Difference(
        "Granian answers 500 to a broken body; the others refuse it with 400 or close the "
        "connection.",
        ALL,
        _each(("bad-chunk", "truncated-body"), Answers((Response(500),))),
        ("granian",),
        cure="Behind nginx: nginx passes on no broken body.",
    ),
    Difference(
        "Hypercorn refuses a body that is not complete; Daphne and Uvicorn close the connection.",
        ALL,
        {"truncated-body": (Answers((Response(400),)),)},
        ("hypercorn",),
    ),
    Difference(
        "Uvicorn with httptools loses the body of a request that offers to upgrade, and runs what "
        "follows as further requests.",
        ALL,
        {"upgrade-with-body": (Answers((Response(400),)),)},
        UVICORN,
        cure="The file routing/servers.py refuses such a request and closes the connection; with "
        "--http h11 it is answered; the nginx of docs/deploying.md passes on no Upgrade but a "
        "WebSocket's.",
        link="https://github.com/Kludex/uvicorn/issues/2722",
    ),
    Difference(
        "Uvicorn never answers a WebSocket handshake by POST that has a body.",
        ALL,
        {"upgrade-by-post": (Answers((), ended=False),)},
        UVICORN,
        cure="The nginx of docs/deploying.md passes on an Upgrade with GET only.",
    ),
    Difference(
        "Hypercorn reads a WebSocket handshake by POST as a usual request.",
        ALL,
        {"upgrade-by-post": (BOTH_ANSWERED,)},
        ("hypercorn",),
    ),
    Difference(
        "Granian treats a handshake by POST as a WebSocket; this path has none, so it answers 404.",
        ALL,
        {"upgrade-by-post": (Answers((Response(404), LAST)),)},
        ("granian",),
        cure="The nginx of docs/deploying.md passes on an Upgrade with GET only.",
    ),
    Difference(
        "For Daphne, Uvicorn and Granian a client that will send nothing more has left; Hypercorn "
        "answers it.",
        CAREFUL,
        {"half-closed": (Answers(()),)},
        ("daphne", *UVICORN, "granian"),
        cure="Let a client keep its side open until it has the response.",
        link="https://github.com/Kludex/uvicorn/issues/1264",
    ),
    Difference(
        "Daphne reads what follows two slashes as a host.",
        ALL,
        {"two-slashes": (Refused(403),)},
        ("daphne",),
        cure="Begin a path with one slash.",
    ),
)

OF_SERVERS = (*_CONNECTIONS, *_RAW_HTTP)

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
    **dict.fromkeys(UVICORN, Closed(1006)),
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
        return Difference(self.reason, HTTP, _each(probes, FAILED, *then), EVERYWHERE, self.raises)


BAD_JSON = Uncaught(
    "JSONDecodeError: ",
    "json.loads raises JSONDecodeError, which the consumer does not catch: it ends a WebSocket; "
    "over HTTP one request fails.",
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
    'The consumer reads ["message"] from what is not an object: TypeError.',
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
    "The consumer reads the body for every method, and a GET or HEAD has none: json.loads "
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
        "json.dumps puts a space after a colon, and Granian answers a message that comes early.",
        WEBSOCKETS,
        {"early-frame": (Opened(), Reply(EARLY))},
        ("granian",),
    ),
    Difference(
        "json.loads guesses the encoding of bytes, and accepts a byte order mark.",
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

# What the servers make of a consumer that reads nothing, and of the Autobahn suite.

MIRROR = ("mirror/*",)
AUTOBAHN_FAILED = Failed("FAILED", "FAILED")
"""No reply came, and the suite ended the connection."""
NO_COMPRESSION = [
    f"autobahn-{chapter}.{section}.{case}"
    for chapter, sections in ((12, 5), (13, 7))
    for section in range(1, sections + 1)
    for case in range(1, 19)
]

_MIRROR = (
    Difference(
        "Daphne does not send an empty message: its WebSocketProtocol.handle_reply treats an empty "
        "message as missing.",
        MIRROR,
        {
            **_each(("empty-reply", "empty-binary-reply"), Reply("behind")),
            **_each(("autobahn-1.1.1", "autobahn-1.2.1"), AUTOBAHN_FAILED),
            **_each(
                ("autobahn-6.1.1", "autobahn-6.1.2", "autobahn-9.7.1", "autobahn-9.8.1"),
                Failed("FAILED", "OK"),
            ),
        },
        ("daphne",),
        cure="Send no empty message (a space or `{}` arrives), or use another server.",
    ),
    Difference(
        "Daphne's cap is 1 MiB, the others' 16 MiB.",
        MIRROR,
        {"over-the-cap": (Reply("x" * (2**20 + 1)),)},
        ALL_BUT_DAPHNE,
    ),
    Difference(
        "Daphne's cap is 1 MiB, and the suite's messages are larger.",
        MIRROR,
        _each(
            [
                f"autobahn-9.{section}.{case}"
                for section, first, last in ((1, 4, 6), (2, 4, 6), (3, 1, 9), (4, 1, 9))
                for case in range(first, last + 1)
            ],
            AUTOBAHN_FAILED,
        ),
        ("daphne",),
    ),
    Difference(
        "Compression is off: Daphne and Granian have none, Uvicorn is started without it, and "
        "routing/hypercorn.py accepts no offer.",
        MIRROR,
        _each(NO_COMPRESSION, Failed("UNIMPLEMENTED", "OK")),
        tuple(name for name in EVERYWHERE if name != "uvicorn-deflate"),
        cure="Leave it off, or limit the size of an unpacked message.",
    ),
    Difference(
        "A close inside an unfinished message is a protocol error to the library websockets: it "
        "answers 1002, where the suite wants its own 1000 back, which RFC 6455 does not require.",
        MIRROR,
        {"autobahn-7.1.5": (Failed("FAILED", "WRONG CODE"),)},
        ("uvicorn", "uvicorn-deflate"),
        link="https://github.com/python-websockets/websockets/blob/main/compliance/README.rst",
    ),
    Difference(
        "Uvicorn's implementation `websockets` takes at most 4,096 fragments for a message; over "
        "that it closes with 1009.",
        MIRROR,
        _each(
            [f"autobahn-9.{section}.{case}" for section in (3, 4) for case in (1, 2)],
            AUTOBAHN_FAILED,
        ),
        ("uvicorn-websockets",),
        cure="The environment variable WEBSOCKETS_MAX_FRAGMENTS changes that number.",
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
        "Hypercorn sends a text of None with them, and Channels uses that.",
        NO_TEXT_IN_BINARY,
        {
            **_each(("binary", "utf-16", "bad-utf-8"), ErrorReply("invalid_json")),
            "after-bad-binary": (ErrorReply("invalid_json"), Reply('{"message":"hi"}')),
        },
        ("hypercorn",),
        packages={"channels": "<4.2"},
    ),
)

_MIRROR_VERSIONS = (
    Difference(
        "Before Channels 4.2 a consumer on Hypercorn does not get the bytes of a binary message: "
        "Hypercorn sends a text of None with them, and Channels uses that.",
        ("mirror/*websocket",),
        {
            **_each(("binary-back", "empty-binary-reply"), Closed(1011)),
            **_each([f"autobahn-1.2.{case}" for case in range(1, 9)], AUTOBAHN_FAILED),
        },
        ("hypercorn",),
        packages={"channels": "<4.2"},
    ),
)

DIFFERENCES: tuple[Difference, ...] = (
    *_VERSIONS,
    *_MIRROR_VERSIONS,
    *OF_SERVERS,
    *_STOCK,
    *_EXCEPTIONS,
    *_TUTORIAL,
    *_MIRROR,
)
