"""How deep and how large a request may be. The settings are those of probes.SETTINGS."""

from sandbox.compare.observations import Closed, ErrorReply, Reply
from sandbox.compare.probe import NO_CAP, Probe, arrays, echo, error, group, nested, sized
from sandbox.compare.steps import Ask, AskMuch

MIB = 1024 * 1024


def _allowed(id: str, sentence: str, pair: tuple[str, Reply]) -> Probe:  # noqa: A002 # of a probe
    request, reply = pair
    return Probe(id, sentence, (Ask(request),), (reply,))


LIMITS = group(
    "Limits",
    _allowed("depth-under", "A request of 99 levels is allowed.", nested(99)),
    _allowed("depth-at", "A request of 100 levels is allowed.", nested(100)),
    echo(
        "depth-at-with-siblings",
        "Brackets that are closed again make a request no deeper.",
        f"[[],{arrays(98)}]",
    ),
    error("depth-over", "A request of 101 levels is too deep.", nested(101)[0], "too_deep"),
    error(
        "depth-far-over",
        "A request of 30,000 levels is too deep, and breaks nothing.",
        nested(30_000)[0],
        "too_deep",
    ),
    error(
        "depth-unclosed",
        "Depth is checked before syntax.",
        '{"message": ' + "[" * 60_000,
        "too_deep",
    ),
    echo("brackets-in-text", "A bracket in a string opens nothing.", '"' + '[{\\"' * 200 + '"'),
    _allowed("size-under", "A request of 65,535 bytes is allowed.", sized(65_535)),
    _allowed("size-at", "A request of 65,536 bytes is allowed.", sized(65_536)),
    error("size-over", "A request of 65,537 bytes is too large.", sized(65_537)[0], "too_large"),
    error(
        "size-in-bytes",
        "Bytes of UTF-8 count, not characters.",
        '{"message": "' + "é" * 40_000 + '"}',
        "too_large",
    ),
    Probe(
        "over-1-mib",
        "A message of more than 1 MiB is over Daphne's own cap, which ends the connection.",
        (AskMuch(MIB + 1),),
        (Closed(1006),),
        ("websocket",),
        NO_CAP,
    ),
    Probe(
        "over-16-mib",
        "A message of more than 16 MiB is over the cap of every server.",
        (AskMuch(16 * MIB + 1),),
        (Closed(1006),),
        ("websocket",),
        NO_CAP,
    ),
    Probe(
        "large-body",
        "A body or a message of 2 MiB is answered like any that is too large.",
        (AskMuch(2 * MIB),),
        (ErrorReply("too_large"),),
        ("http", "mqtt"),
        "Over a WebSocket the server's own cap comes first.",
    ),
)
