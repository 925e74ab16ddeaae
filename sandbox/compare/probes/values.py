"""Any JSON value is a message."""

from sandbox.compare.observations import Reply
from sandbox.compare.probe import Probe, echo, group
from sandbox.compare.steps import Ask

VALUES = group(
    "Values",
    echo("null", "null is a message like any other.", "null"),
    echo("false", "false is a message like any other.", "false"),
    echo("true", "true comes back as true, not as 1.", "true"),
    echo("zero", "0 is a message like any other, and not false.", "0"),
    echo("empty-string", "The empty string is a message like any other.", '""'),
    echo("empty-array", "The empty array is a message like any other.", "[]"),
    echo("empty-object", "The empty object is a message like any other.", "{}"),
    echo(
        "member-order",
        "Members keep the order in which they were sent.",
        '{"b":1,"a":{"z":[null],"y":0.5}}',
    ),
    Probe(
        "other-members",
        "Members of the request that the contract does not name are ignored.",
        (Ask('{"type": "chat", "message": 1, "error": {}}'),),
        (Reply('{"message":1}'),),
    ),
    Probe(
        "reply-bytes",
        "A reply is compact JSON with every character as itself.",
        (Ask('{"message": ["é", "\\u00e9", 1.0]}'),),
        (Reply('{"message":["é","é",1.0]}'),),
        exact=True,
    ),
)
