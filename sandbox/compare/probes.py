r"""The probes: what is put to every exhibit, and what the contract wants to see.

A table of data. The replies are written out, for the table states the contract a second time,
independently of consumers/contract.py. Where the servers differ, it states what is seen on Daphne,
the server that Channels brings; what the others make of it is in differences.py.

To put a probe to an edition of your own, add it to a table and the table to TABLES.
"""

from dataclasses import dataclass

from websockets.frames import Opcode

from sandbox.compare.room_steps import Conversation, EnterRoom, NextDoor, ScopeTold, Worked
from sandbox.compare.steps import (
    Ask,
    AskMuch,
    Close,
    Disconnected,
    Frames,
    Neighbours,
    Open,
    Pipeline,
    Request,
    Step,
    Vanish,
    Wait,
    request_of,
)

LIMITS = {"MAX_DELAY": "1.0", "MAX_MESSAGE_BYTES": "65536", "MAX_DEPTH": "100"}
"""The settings that the table is written for; they are the defaults."""

NO_FRAMES = "HTTP has no WebSocket frames."
NO_HANDSHAKE = "HTTP has no WebSocket handshake."
NO_PIPELINE = "HTTP clients wait for a response before the next request."
NO_CLOSE = "HTTP has no close codes."
NO_TEXT_OR_BINARY = "HTTP bodies are bytes; there is no text message to tell them from."
NO_CAP = "Over HTTP there is no cap but ours."
NO_METHODS = "WebSocket messages have no methods, statuses or headers."


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to an exhibit."""

    id: str
    group: str
    sentence: str
    """What the contract promises."""
    steps: tuple[Step, ...]
    only: str = ""
    """The protocol it applies to, if not to both."""
    because: str = ""
    """Why it does not apply to the other."""
    exact: bool = False
    """Bytes count, even for an edition that writes JSON in its own way."""
    watches_clock: bool = False
    """No other probe should run meanwhile."""

    @property
    def expected(self) -> str:
        return "; ".join(step.expected for step in self.steps if step.expected)

    @property
    def reads_log(self) -> bool:
        return any(isinstance(step, Disconnected) for step in self.steps)


def _echo(probe: str, group: str, sentence: str, message: str, echoed: str | None = None) -> Probe:
    """Send ``message``, given as JSON, and see it come back."""
    request, reply = f'{{"message": {message}}}', f'{{"message":{echoed or message}}}'
    return Probe(probe, group, sentence, (Ask(request, reply),))


def _error(probe: str, group: str, sentence: str, request: str | bytes, code: str) -> Probe:
    return Probe(probe, group, sentence, (Ask(request, f"error {code}"),))


def _websocket(
    probe: str, group: str, sentence: str, *steps: Step, because: str = NO_FRAMES
) -> Probe:
    return Probe(probe, group, sentence, steps, "websocket", because)


def _http(probe: str, sentence: str, *steps: Step) -> Probe:
    return Probe(probe, "HTTP", sentence, steps, "http", NO_METHODS)


HI, HI_BACK = '{"message": "hi"}', '{"message":"hi"}'
TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
JSON_TYPE = ("content-type", "application/json")
ALLOW = ("allow", "GET, HEAD, POST")
MIB = 1024 * 1024


def arrays(depth: int) -> str:
    return "[" * depth + "]" * depth


def nested(depth: int) -> tuple[str, str]:
    """Request and reply, nested so deep; the request's own object is the first level."""
    return f'{{"message": {arrays(depth - 1)}}}', f'{{"message":{arrays(depth - 1)}}}'


def sized(size: int) -> tuple[str, str]:
    """Request of so many bytes, and its reply."""
    request = request_of(size)
    return request, request.replace(" ", "")


_VALUES = (
    _echo("null", "Values", "null is a message like any other.", "null"),
    _echo("false", "Values", "false is a message like any other.", "false"),
    _echo("true", "Values", "true comes back as true, not as 1.", "true"),
    _echo("zero", "Values", "0 is a message like any other, and not false.", "0"),
    _echo("empty-string", "Values", "The empty string is a message like any other.", '""'),
    _echo("empty-array", "Values", "The empty array is a message like any other.", "[]"),
    _echo("empty-object", "Values", "The empty object is a message like any other.", "{}"),
    _echo(
        "member-order",
        "Values",
        "Members keep the order in which they were sent.",
        '{"b":1,"a":{"z":[null],"y":0.5}}',
    ),
    Probe(
        "other-members",
        "Values",
        "Members of the request that the contract does not name are ignored.",
        (Ask('{"type": "chat", "message": 1, "error": {}}', '{"message":1}'),),
    ),
    Probe(
        "reply-bytes",
        "Values",
        "A reply is compact JSON with every character as itself.",
        (Ask('{"message": ["é", "\\u00e9", 1.0]}', '{"message":["é","é",1.0]}'),),
        exact=True,
    ),
)

_TEXT = (
    _echo("astral", "Text", "Characters beyond 16 bits come back.", '"😀𝄞"'),
    _echo(
        "surrogate-pair", "Text", "An escaped pair is its character.", '"\\ud83d\\ude00"', '"😀"'
    ),
    _error(
        "lone-surrogate",
        "Text",
        "Half an escaped pair is no character.",
        '{"message": "\\ud800"}',
        "invalid_json",
    ),
    _error(
        "surrogate-by-digits",
        "Text",
        "Nor is it beside an integer that takes a more patient reader.",
        f'{{"message": [{"9" * 5000}, "\\ud800"]}}',
        "invalid_json",
    ),
    _echo("combining", "Text", "Nothing is normalised.", '"e\u0301 é ﬁ"'),
    _echo("right-to-left", "Text", "Writing direction is kept.", '"\u202eשלום مرحبا"'),  # noqa: RUF001 # no Latin letter is meant
    _echo("separators", "Text", "U+2028, DEL and U+FFFF are text.", '"\u2028\u2029\x7f\uffff"'),
    _echo(
        "control",
        "Text",
        "Control characters come back escaped.",
        '"\\u0001\\u001f\\u007f"',
        '"\\u0001\\u001f\x7f"',
    ),
    _echo("nul", "Text", "An escaped NUL is a character.", '"a\\u0000b"'),
    _echo(
        "escapes", "Text", "Short escapes are read.", r'"\"\\\/\b\f\n\r\t"', r'"\"\\/\b\f\n\r\t"'
    ),
    _error(
        "raw-control",
        "Text",
        "A raw control character in a string is not JSON.",
        '{"message": "\n"}',
        "invalid_json",
    ),
)

_NUMBERS = (
    _echo("over-2-53", "Numbers", "2**53 + 1 is exact.", "9007199254740993"),
    _echo("over-2-64", "Numbers", "2**64 is exact.", "18446744073709551616"),
    _echo("digits-300", "Numbers", "An integer of 300 digits is exact.", "-" + "1234567890" * 30),
    _echo("digits-5000", "Numbers", "An integer of 5,000 digits is exact.", "9" * 5000),
    _echo("smallest-double", "Numbers", "5e-324 is a double.", "5e-324"),
    _echo("huge-double", "Numbers", "1e308 is a double.", "1e308"),
    _echo("one-point-zero", "Numbers", "1.0 does not become 1.", "1.0"),
    _echo("negative-zero", "Numbers", "-0.0 keeps its sign.", "-0.0"),
    _echo("integer-negative-zero", "Numbers", "-0 is the integer 0.", "-0", "0"),
    _error(
        "over-double",
        "Numbers",
        "No double holds 1e400.",
        '{"message": 1e400}',
        "invalid_json",
    ),
    _error("nan", "Numbers", "NaN is not JSON.", '{"message": NaN}', "invalid_json"),
    _error(
        "infinity", "Numbers", "Infinity is not JSON.", '{"message": [-Infinity]}', "invalid_json"
    ),
    _error("leading-zero", "Numbers", "01 is not JSON.", '{"message": 01}', "invalid_json"),
)

_JSON = (
    _echo("duplicates", "JSON", "Of duplicate names the last wins.", '{"a":1,"a":2}', '{"a":2}'),
    Probe(
        "duplicate-message",
        "JSON",
        "Of two members named message the last wins.",
        (Ask('{"message": 1, "message": 2}', '{"message":2}'),),
    ),
    Probe(
        "whitespace",
        "JSON",
        "White space around any token is nothing.",
        (Ask(' \t\r\n{ "message"\n:\t[ 1 , 2 ] } \n', '{"message":[1,2]}'),),
    ),
    _error(
        "no-break-space",
        "JSON",
        "A no-break space between tokens is not JSON.",
        f"\u00a0{HI}",
        "invalid_json",
    ),
    _error(
        "trailing-comma", "JSON", "A trailing comma is not JSON.", '{"message": 1,}', "invalid_json"
    ),
    _error(
        "two-documents",
        "JSON",
        "Two documents in one message are not JSON.",
        f"{HI} {HI}",
        "invalid_json",
    ),
    _error("truncated", "JSON", "Half a document is not JSON.", '{"message": "h', "invalid_json"),
    _error("plain-text", "JSON", "Plain text is not JSON.", "hello", "invalid_json"),
    _error(
        "byte-order-mark", "JSON", "A byte order mark is not JSON.", f"\ufeff{HI}", "invalid_json"
    ),
    _error("utf-16", "JSON", "UTF-16 is not JSON.", HI.encode("utf-16-le"), "invalid_json"),
    _error("bad-utf-8", "JSON", "Bad UTF-8 is not JSON.", b'{"message": "\xc3"}', "invalid_json"),
)

_REQUESTS = (
    _error("array", "Requests", "A request is no array.", '["message"]', "invalid_request"),
    _error("string", "Requests", "A request is no string.", '"message"', "invalid_request"),
    _error("bare-null", "Requests", "A request is not null.", "null", "invalid_request"),
    _error("no-message", "Requests", "A request has a message.", "{}", "invalid_request"),
    _error(
        "message-in-capitals",
        "Requests",
        "Names are told apart by case.",
        '{"Message": 1}',
        "invalid_request",
    ),
)

_DELAYS = (
    Probe(
        "delay",
        "Delay",
        "A reply waits as long as it was asked to.",
        (Wait(0.3),),
        watches_clock=True,
    ),
    Probe(
        "delay-zero",
        "Delay",
        "A delay of 0 is allowed.",
        (Ask('{"message": 1, "delay": 0}', '{"message":1}'),),
    ),
    *(
        _error(
            f"delay-{name}",
            "Delay",
            sentence,
            f'{{"message": 1, "delay": {delay}}}',
            "invalid_request",
        )
        for name, sentence, delay in (
            ("too-long", "A delay over the limit is refused.", "1.001"),
            ("negative", "A negative delay is refused.", "-0.5"),
            ("true", "true is no number of seconds.", "true"),
            ("null", "null is no number of seconds.", "null"),
            ("string", "A string is no number of seconds.", '"1"'),
        )
    ),
    Probe(
        "neighbours",
        "Delay",
        "While one connection waits, another is answered.",
        (Neighbours(0.5),),
        watches_clock=True,
    ),
)

_LIMITS = (
    Probe("depth-under", "Limits", "A request of 99 levels is allowed.", (Ask(*nested(99)),)),
    Probe("depth-at", "Limits", "A request of 100 levels is allowed.", (Ask(*nested(100)),)),
    Probe(
        "depth-at-with-siblings",
        "Limits",
        "Brackets that are closed again make a request no deeper.",
        (Ask(f'{{"message": [[], {arrays(98)}]}}', f'{{"message":[[],{arrays(98)}]}}'),),
    ),
    _error(
        "depth-over", "Limits", "A request of 101 levels is too deep.", nested(101)[0], "too_deep"
    ),
    _error(
        "depth-far-over",
        "Limits",
        "A request of 30,000 levels is too deep, and hurts nobody.",
        nested(30_000)[0],
        "too_deep",
    ),
    _error(
        "depth-unclosed",
        "Limits",
        "Depth is judged before syntax.",
        '{"message": ' + "[" * 60_000,
        "too_deep",
    ),
    _echo(
        "brackets-in-text",
        "Limits",
        "A bracket in a string opens nothing.",
        '"' + '[{\\"' * 200 + '"',
    ),
    Probe("size-under", "Limits", "A request of 65,535 bytes is allowed.", (Ask(*sized(65_535)),)),
    Probe("size-at", "Limits", "A request of 65,536 bytes is allowed.", (Ask(*sized(65_536)),)),
    _error(
        "size-over",
        "Limits",
        "A request of 65,537 bytes is too large.",
        sized(65_537)[0],
        "too_large",
    ),
    _error(
        "size-in-bytes",
        "Limits",
        "Bytes of UTF-8 count, not characters.",
        '{"message": "' + "é" * 40_000 + '"}',
        "too_large",
    ),
    _websocket(
        "over-1-mib",
        "Limits",
        "A message of more than 1 MiB is over Daphne's own cap, which ends the connection.",
        AskMuch(MIB + 1, "closed 1006"),
        because=NO_CAP,
    ),
    _websocket(
        "over-16-mib",
        "Limits",
        "A message of more than 16 MiB is over the cap of every server.",
        AskMuch(16 * MIB + 1, "closed 1006"),
        because=NO_CAP,
    ),
    Probe(
        "large-body",
        "Limits",
        "A body of 2 MiB is answered like any that is too large.",
        (AskMuch(2 * MIB, "error too_large"),),
        "http",
        "Over a WebSocket the server's own cap comes first.",
    ),
)

_MESSAGES = (
    Probe(
        "binary", "Messages", "A binary message is read like a text.", (Ask(HI.encode(), HI_BACK),)
    ),
    _error("empty-text", "Messages", "An empty message is not JSON.", "", "invalid_json"),
    _websocket(
        "empty-binary",
        "Messages",
        "An empty binary message is not JSON.",
        Ask(b"", "error invalid_json"),
        because=NO_TEXT_OR_BINARY,
    ),
    Probe(
        "fragments",
        "Messages",
        "A message in fragments, a body in chunks, is one.",
        (Ask((b'{"mess', b'age": ', b'"hi"}'), HI_BACK),),
    ),
    Probe(
        "split-character",
        "Messages",
        "A fragment may end inside a character.",
        (Ask((b'{"message": "\xf0\x9f', b"\x98\x80", b'"}'), '{"message":"😀"}'),),
    ),
    _websocket(
        "empty-fragments",
        "Messages",
        "Fragments may be empty.",
        Frames(((TEXT, b"", False), (CONT, HI.encode(), False), (CONT, b"", True)), HI_BACK),
    ),
    _websocket(
        "ping",
        "Messages",
        "A ping is answered with its payload, and the consumer sees none of it.",
        Frames(((Opcode.PING, b"ping", True),), "pong ping"),
        Ask(HI, HI_BACK),
    ),
    _websocket(
        "ping-between-fragments",
        "Messages",
        "A ping may come between two fragments.",
        Frames(((TEXT, HI[:5].encode(), False), (Opcode.PING, b"now", True)), "pong now"),
        Frames(((CONT, HI[5:].encode(), True),), HI_BACK),
    ),
    _websocket(
        "unasked-pong",
        "Messages",
        "A pong that nobody asked for is ignored.",
        Frames(((Opcode.PONG, b"", True),), ""),
        Ask(HI, HI_BACK),
    ),
    _websocket(
        "pipelined",
        "Messages",
        "100 requests sent at once are answered in order.",
        Pipeline(100),
        because=NO_PIPELINE,
    ),
    _websocket(
        "slow-before-fast",
        "Messages",
        "A request does not overtake the one before it.",
        Frames(
            (
                (TEXT, b'{"message": "slow", "delay": 0.2}', True),
                (TEXT, b'{"message": "fast"}', True),
            ),
            '{"message":"slow"}',
        ),
        Frames((), '{"message":"fast"}'),
        because=NO_PIPELINE,
    ),
    _websocket(
        "error-behind-message",
        "Messages",
        "An error does not overtake the reply to the request before it.",
        Frames(((TEXT, HI.encode(), True), (TEXT, b"{", True)), HI_BACK),
        Frames((), "error invalid_json"),
        because=NO_PIPELINE,
    ),
)

_RECOVERY = tuple(
    Probe(
        f"after-{name}",
        "Recovery",
        f"After {what} the connection is as useful as before.",
        (Ask(request, f"error {code}"), Ask(HI, HI_BACK)),
    )
    for name, what, request, code in (
        ("invalid-json", "what is not JSON", "{", "invalid_json"),
        ("invalid-request", "a request without a message", "{}", "invalid_request"),
        ("too-deep", "one nested too deep", nested(101)[0], "too_deep"),
        ("too-large", "one too large", sized(65_537)[0], "too_large"),
        ("empty", "an empty one", "", "invalid_json"),
        ("bad-binary", "binary that is not UTF-8", b"\xff\xfe", "invalid_json"),
    )
)

_VIOLATIONS = (
    _websocket(
        "text-not-utf-8",
        "Violations",
        "A text message that is not UTF-8 ends the connection.",
        Frames(((TEXT, b'{"message": "\xff"}', True),), "closed 1006"),
    ),
    _websocket(
        "stray-continuation",
        "Violations",
        "A continuation of nothing ends the connection.",
        Frames(((CONT, HI.encode(), True),), "closed 1006"),
    ),
    _websocket(
        "unfinished-message",
        "Violations",
        "A message inside an unfinished one ends the connection.",
        Frames(((TEXT, b"{", False), (TEXT, HI.encode(), True)), "closed 1006"),
    ),
    _websocket(
        "long-ping",
        "Violations",
        "A ping of more than 125 bytes ends the connection.",
        Frames(((Opcode.PING, b"x" * 126, True),), "closed 1006"),
    ),
)

_CLOSING = (
    *(
        _websocket(
            f"close-{code}",
            "Closing",
            f"A client closes with {code}: the consumer's disconnect is told so.",
            Close(code),
            Disconnected(f"disconnect {code}"),
            because=NO_CLOSE,
        )
        for code in (1000, 1001, 4000)
    ),
    _websocket(
        "close-answer",
        "Closing",
        "The server answers a client's close with one of its own.",
        Close(4000, "closed 1000"),
        because=NO_CLOSE,
    ),
    _websocket(
        "vanish",
        "Closing",
        "A client vanishes without a close frame: disconnect runs all the same.",
        Vanish(),
        Disconnected("disconnect 1006"),
        because=NO_CLOSE,
    ),
    _websocket(
        "close-after-error",
        "Closing",
        "After bad input the consumer's disconnect runs as ever.",
        Ask("{", "error invalid_json"),
        Close(1000),
        Disconnected("disconnect 1000"),
        because=NO_CLOSE,
    ),
    Probe(
        "http-disconnect",
        "Closing",
        "Disconnect runs after the response.",
        (Ask(HI, HI_BACK), Disconnected("disconnect")),
        "http",
        "Of a WebSocket the close code is looked at.",
    ),
)

_HANDSHAKE = tuple(
    _websocket(probe, "Handshake", sentence, *steps, because=NO_HANDSHAKE)
    for probe, sentence, steps in (
        (
            "subprotocol",
            "Of the subprotocols that a client offers none is chosen.",
            (Open(subprotocols=("chat", "superchat")), Ask(HI, HI_BACK)),
        ),
        (
            "compression",
            "Daphne does not take up an offer to compress.",
            (Open(compression=True),),
        ),
        (
            "query",
            "A query in the URL does not matter.",
            (Open(suffix="?message=no"), Ask(HI, HI_BACK)),
        ),
        ("origin-own", "Pages of the site itself may connect.", (Open(origin="{origin}"),)),
        (
            "origin-other-port",
            "Pages of the same host on another port may connect.",
            (Open(origin="http://{hostname}:1"),),
        ),
        (
            "origin-none",
            "A client that sends no Origin, as no browser does, may connect.",
            (Open(), Ask(HI, HI_BACK)),
        ),
        (
            "origin-foreign",
            "Pages of another site are refused.",
            (Open("refused 403", origin="https://evil.example"),),
        ),
        (
            "origin-look-alike",
            "Pages of a host whose name begins like ours are refused.",
            (Open("refused 403", origin="http://{hostname}.evil.example"),),
        ),
        (
            "origin-null",
            "Pages whose origin is null are refused.",
            (Open("refused 403", origin="null"),),
        ),
        (
            "origin-malformed",
            "An Origin that is no URL is refused.",
            (Open("refused 400", origin="http://["),),
        ),
        (
            "unknown-path",
            "An unknown path is refused in the handshake.",
            (Open("refused 403", suffix="nowhere/"),),
        ),
    )
)

_HTTP = (
    _http(
        "post-headers",
        "A reply says what it is, and that it is not to be sniffed or stored.",
        Request(
            "POST",
            200,
            HI_BACK,
            body=HI.encode(),
            shown=(
                JSON_TYPE,
                ("x-content-type-options", "nosniff"),
                ("cache-control", "no-store"),
            ),
        ),
    ),
    _http(
        "error-headers",
        "An error says what it is, and that it is not to be sniffed or stored.",
        Request(
            "POST",
            400,
            "error invalid_json",
            body=b"{",
            shown=(
                JSON_TYPE,
                ("x-content-type-options", "nosniff"),
                ("cache-control", "no-store"),
            ),
        ),
    ),
    _http("get", "GET asks with its query.", Request("GET", 200, HI_BACK, "?message=hi")),
    _http(
        "get-nothing",
        "GET without a message is an error.",
        Request("GET", 400, "error invalid_request"),
    ),
    _http(
        "get-empty",
        "GET may ask for the empty string.",
        Request("GET", 200, '{"message":""}', "?message="),
    ),
    _http(
        "get-unicode",
        "A query is UTF-8, percent-encoded.",
        Request("GET", 200, '{"message":"é 😀"}', "?message=%C3%A9+%F0%9F%98%80"),
    ),
    _http(
        "get-bad-utf-8",
        "A query that is not UTF-8 is an error.",
        Request("GET", 400, "error invalid_json", "?message=%FF"),
    ),
    _http(
        "get-delay",
        "GET may ask for a delay.",
        Request("GET", 200, HI_BACK, "?message=hi&delay=0.01"),
        Request("GET", 400, "error invalid_request", "?message=hi&delay=2"),
    ),
    _http(
        "head",
        "HEAD gets the headers of GET and no body.",
        Request("HEAD", 200, "", "?message=hi", shown=(JSON_TYPE, ("content-length", "16"))),
    ),
    *(
        _http(
            f"method-{method.lower()}",
            f"{method} is not allowed, and the response says what is.",
            Request(method, 405, "error method_not_allowed", body=HI.encode(), shown=(ALLOW,)),
        )
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS")
    ),
    *(
        _http(
            f"type-{name}",
            sentence,
            Request("POST", 200, HI_BACK, headers=headers, body=HI.encode()),
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
    _http(
        "keep-alive",
        "A connection serves one request after another.",
        *(Request("POST", 200, f'{{"message":{n}}}', body=b'{"message":%d}' % n) for n in range(3)),
    ),
    _http(
        "http-unknown-path",
        "An unknown path is Django's 404.",
        Request("GET", 404, suffix="nowhere/"),
    ),
)

CONTRACT = (
    *_VALUES,
    *_TEXT,
    *_NUMBERS,
    *_JSON,
    *_REQUESTS,
    *_DELAYS,
    *_LIMITS,
    *_MESSAGES,
    *_RECOVERY,
    *_VIOLATIONS,
    *_CLOSING,
    *_HANDSHAKE,
    *_HTTP,
)

_ROOMS = (
    Probe(
        "all-hear",
        "Rooms",
        "Whatever type speaks, all five types hear the same bytes.",
        (Conversation((HI,), (HI_BACK,)),),
    ),
    Probe(
        "all-hear-exactly",
        "Rooms",
        "No number and no character changes on its way through the channel layer.",
        (
            Conversation(
                ('{"message": [18446744073709551616, 1e22, "é\\u2028"]}',),
                ('{"message":[18446744073709551616,1e22,"é\u2028"]}',),
            ),
        ),
    ),
    Probe(
        "all-hear-in-order",
        "Rooms",
        "All hear a speaker in the order of its messages.",
        (
            Conversation(
                tuple(f'{{"message": {number}}}' for number in range(50)),
                tuple(f'{{"message":{number}}}' for number in range(50)),
            ),
        ),
    ),
    Probe(
        "told-alone",
        "Rooms",
        "An error is for its sender alone.",
        (Conversation(("{", HI), (HI_BACK,), told="error invalid_json"),),
    ),
    Probe(
        "loss",
        "Rooms",
        "Members that vanish without a close are missed by nobody.",
        (Conversation((HI,), (HI_BACK,), after_a_loss=True),),
    ),
    Probe("next-door", "Rooms", "Nobody hears another room.", (NextDoor(),)),
    *(
        _websocket(
            f"room-{probe}", "Rooms", sentence, EnterRoom(name, expected), because=NO_HANDSHAKE
        )
        for probe, sentence, name, expected in (
            ("longest", "A name may have 94 characters.", "x" * 94, "open"),
            ("too-long", "95 are too many for a group's name.", "x" * 95, "refused 403"),
            ("space", "A space is in no group's name.", "a%20b", "refused 403"),
            ("letters", "Nor is any letter but those of ASCII.", "%C3%A9", "refused 403"),
        )
    ),
)

_ROOM_HTTP = (
    _http(
        "publish",
        "POST is answered with 202 and the message.",
        Request(
            "POST", 202, HI_BACK, body=HI.encode(), shown=(JSON_TYPE, ("content-length", "16"))
        ),
    ),
    _http(
        "follow-by-accident",
        "GET without Accept: text/event-stream is told so, and does not hang.",
        Request("GET", 406, "error not_acceptable"),
    ),
    _http(
        "follow-head",
        "HEAD gets the headers of GET and no body.",
        Request(
            "HEAD",
            200,
            headers=(("Accept", "text/event-stream"),),
            shown=(("content-type", "text/event-stream"), ("cache-control", "no-store")),
        ),
    ),
    _http(
        "publish-foreign",
        "A page of another site may not publish.",
        Request("POST", 403, headers=(("Origin", "https://evil.example"),), body=HI.encode()),
    ),
)

# Alone in a room one hears the contract's echo. What a neighbour says one hears too; an error need
# not go round through the layer, and overtakes; over HTTP a message is asked for with POST only;
# and the server's own caps are the same as elsewhere.
NOT_IN_ROOMS = (
    "neighbours",
    "error-behind-message",
    "error-headers",
    "over-1-mib",
    "over-16-mib",
)
ROOMS = (
    *(
        probe
        for probe in CONTRACT
        if probe.id not in NOT_IN_ROOMS
        and (probe not in _HTTP or probe.id.startswith(("method-", "http-unknown-path")))
    ),
    *_ROOM_HTTP,
    *_ROOMS,
)

_WORKER = (
    _websocket(
        "worker",
        "Worker",
        "A worker does the echo; where none is, the answer says so.",
        Worked(),
    ),
    _websocket(
        "worker-sync",
        "Worker",
        "The client may choose the worker.",
        Open(suffix="?worker=echo-sync"),
        Worked(),
    ),
    _websocket(
        "worker-unknown",
        "Worker",
        "A worker that is none is refused in the handshake.",
        Open("refused 403", suffix="?worker=nobody"),
    ),
)

# Without a worker a connection knows what is wrong with a request, and how to close.
WORKER = (
    *(
        probe
        for probe in CONTRACT
        if all(step.expected.startswith(("error ", "closed ")) for step in probe.steps)
        and probe.only != "http"
    ),
    *_WORKER,
)

SCOPE = (
    Probe(
        "scope",
        "Scope",
        "A consumer knows path, query, headers, cookies and user; nobody gets to see a secret.",
        (ScopeTold(),),
    ),
)

TABLES: dict[str, tuple[Probe, ...]] = {
    "contract": CONTRACT,
    "rooms": ROOMS,
    "history": (),
    "worker": WORKER,
    "scope": SCOPE,
}
"""The groups of probes that an edition may name."""
