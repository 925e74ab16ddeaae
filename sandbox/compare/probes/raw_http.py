"""HTTP/1.1 byte by byte: what a client library would not send, and what servers make of it."""

from sandbox.compare.observations import Answers, Expected, Opened, Reply, Response
from sandbox.compare.probe import HI_BACK, NO_METHODS, Probe, group
from sandbox.compare.steps import Open, SendRaw

CLOSE = "Connection: close"
HI = b'{"message":"hi"}'
LENGTH = f"Content-Length: {len(HI)}"
CHUNKED = "Transfer-Encoding: chunked"
HI_CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(HI), HI)
SLOW = b'{"message":"hi","delay":1}'
LAST = b'{"message":"last"}'

GOOD, BAD = Response(200, HI_BACK), Response(400)
LAST_BACK = Response(200, Reply('{"message":"last"}'))
ANSWERED, REFUSED = (Answers((GOOD,)),), (Answers((BAD,)),)
BOTH_ANSWERED = (Answers((GOOD, LAST_BACK)),)
"""The request, and the one behind it."""
NOT_ANSWERED = (Answers(()),)


def post(*headers: str, body: bytes = HI, target: str = "{path}", host: str = "{host}") -> bytes:
    """Write a request; without a host where that is empty."""
    hosts = [f"Host: {host}"] if host else []
    lines = [f"POST {target} HTTP/1.1", *hosts, *headers, "", ""]
    return "\r\n".join(lines).encode() + body


BEHIND = post(CLOSE, f"Content-Length: {len(LAST)}", body=LAST)
"""A good request behind another one: it shows whether the connection is still of use."""


def raw(
    id: str,  # noqa: A002 # of a probe
    sentence: str,
    *segments: bytes,
    expected: Expected,
    half_close: bool = False,
    may_be_silent: bool = False,
) -> Probe:
    """Make a probe; one that some server never answers waits for a short time only."""
    step = SendRaw(segments, half_close, 2.0) if may_be_silent else SendRaw(segments, half_close)
    return Probe(id, sentence, (step,), expected, watches_clock=may_be_silent)


RAW_HTTP = group(
    "Raw HTTP",
    raw(
        "requests-at-once",
        "Requests that come at once are answered one after another.",
        post(LENGTH) + post(LENGTH) + BEHIND,
        expected=(Answers((GOOD, GOOD, LAST_BACK)),),
    ),
    raw(
        "expect-continue",
        "A client that asks whether to send its body gets 100 Continue.",
        post(LENGTH, "Expect: 100-continue", CLOSE, body=b""),
        HI,
        expected=(Answers((Response(100), GOOD)),),
    ),
    raw(
        "absolute-target",
        "The request line may have the whole URL.",
        post(LENGTH, CLOSE, target="http://{host}{path}"),
        expected=ANSWERED,
    ),
    raw(
        "two-hosts",
        "A request with two Hosts is refused.",
        post(LENGTH, CLOSE, "Host: {host}"),
        expected=REFUSED,
    ),
    raw(
        "no-host",
        "A request without a Host is refused.",
        post(LENGTH, CLOSE, host=""),
        expected=REFUSED,
    ),
    raw(
        "long-line",
        "A request line of 17,000 characters is answered.",
        post(LENGTH, CLOSE, target="{path}?" + "x" * 17_000),
        expected=ANSWERED,
    ),
    raw(
        "long-header",
        "A header of 17,000 characters is read.",
        post(LENGTH, CLOSE, "X-Long: " + "x" * 17_000),
        expected=ANSWERED,
    ),
    raw(
        "length-and-chunks",
        "A request with both Content-Length and Transfer-Encoding is refused.",
        post("Content-Length: 5", CHUNKED, body=HI_CHUNKED) + BEHIND,
        expected=REFUSED,
    ),
    raw(
        "two-lengths",
        "A request with two different Content-Lengths is refused.",
        post("Content-Length: 5", LENGTH) + BEHIND,
        expected=REFUSED,
    ),
    raw(
        "length-twice",
        "A request that has its Content-Length twice is refused.",
        post(LENGTH, LENGTH) + BEHIND,
        expected=REFUSED,
    ),
    raw(
        "length-signed",
        "A Content-Length with a sign is refused.",
        post(f"Content-Length: +{len(HI)}") + BEHIND,
        expected=REFUSED,
    ),
    raw(
        "gzip-and-chunks",
        "A Transfer-Encoding that a server cannot decode is refused.",
        post("Transfer-Encoding: gzip, chunked", body=HI_CHUNKED) + BEHIND,
        expected=REFUSED,
    ),
    raw(
        "space-before-colon",
        "A space between a header's name and its colon is refused.",
        post(f"Content-Length : {len(HI)}") + BEHIND,
        expected=REFUSED,
    ),
    raw(
        "folded-header",
        "A header that goes on in a second line is refused.",
        post(LENGTH, CLOSE, "X-Folded: a\r\n b"),
        expected=REFUSED,
    ),
    raw(
        "bare-line-feeds",
        "Lines that end without a carriage return are refused.",
        post(LENGTH, CLOSE).replace(b"\r\n", b"\n"),
        expected=REFUSED,
        may_be_silent=True,
    ),
    raw(
        "bad-chunk",
        "A chunk whose length is no number is refused.",
        post(CHUNKED, body=b"zz\r\n" + HI + b"\r\n0\r\n\r\n"),
        expected=REFUSED,
    ),
    raw(
        "truncated-body",
        "A request that ends in the middle of its body is not answered.",
        post("Content-Length: 100"),
        expected=NOT_ANSWERED,
        half_close=True,
    ),
    raw(
        "upgrade-with-body",
        "An offer to upgrade to HTTP/2 is ignored, and the body is read.",
        post(LENGTH, "Connection: Upgrade", "Upgrade: h2c") + BEHIND,
        expected=BOTH_ANSWERED,
    ),
    raw(
        "upgrade-by-post",
        "A WebSocket handshake by POST is refused.",
        post(
            LENGTH,
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        )
        + BEHIND,
        expected=(Answers((Response(405),)),),
        may_be_silent=True,
    ),
    Probe(
        "half-closed",
        "A client that has sent all, and says so, gets its response.",
        (SendRaw((post(f"Content-Length: {len(SLOW)}", CLOSE, body=SLOW),), half_close=True),),
        ANSWERED,
        watches_clock=True,
    ),
    Probe(
        "two-slashes",
        "A path may begin with two slashes.",
        (Open(before="/"),),
        (Opened(),),
        ("websocket",),
        "Over HTTP no server minds.",
    ),
    only=("http",),
    because=NO_METHODS,
)
