"""A request is JSON as RFC 8259 defines it, in UTF-8."""

from sandbox.compare.observations import Reply
from sandbox.compare.probe import HI, Probe, echo, error, group
from sandbox.compare.steps import Ask

JSON = group(
    "JSON",
    echo("duplicates", "Of duplicate names the last wins.", '{"a":1,"a":2}', '{"a":2}'),
    Probe(
        "duplicate-message",
        "Of two members named message the last wins.",
        (Ask('{"message": 1, "message": 2}'),),
        (Reply('{"message":2}'),),
    ),
    Probe(
        "whitespace",
        "White space around any token is ignored.",
        (Ask(' \t\r\n{ "message"\n:\t[ 1 , 2 ] } \n'),),
        (Reply('{"message":[1,2]}'),),
    ),
    error(
        "no-break-space",
        "A no-break space between tokens is not JSON.",
        f"\u00a0{HI}",
        "invalid_json",
    ),
    error("trailing-comma", "A trailing comma is not JSON.", '{"message": 1,}', "invalid_json"),
    error(
        "two-documents",
        "Two documents in one message are not JSON.",
        f"{HI} {HI}",
        "invalid_json",
    ),
    error("truncated", "Half a document is not JSON.", '{"message": "h', "invalid_json"),
    error("plain-text", "Plain text is not JSON.", "hello", "invalid_json"),
    error("byte-order-mark", "A byte order mark is not JSON.", f"\ufeff{HI}", "invalid_json"),
    error("utf-16", "UTF-16 is not JSON.", HI.encode("utf-16-le"), "invalid_json"),
    error("bad-utf-8", "Bad UTF-8 is not JSON.", b'{"message": "\xc3"}', "invalid_json"),
)
