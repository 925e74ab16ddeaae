"""A room that remembers: what a client that reconnects gets."""

from sandbox.compare.history_steps import Hear, Return, Store, stored
from sandbox.compare.observations import ErrorReply, Heard, Reply, Response
from sandbox.compare.probe import NO_METHODS, Probe, group
from sandbox.compare.probes.hosts import STREAM
from sandbox.compare.probes.http import JSON_TYPE
from sandbox.compare.steps import Request

KEPT = 20
"""Messages that a server keeps of each room while it is compared."""
NO_STATUS = "Over HTTP it has a status; the probes of the group HTTP look at it."

HISTORY = group(
    "History",
    Probe(
        "resume",
        "A client that names the last id it has gets what it missed, in order.",
        (Store(1, 5), Return("?after=2"), Hear(3)),
        (stored(3, 5),),
    ),
    Probe(
        "resume-and-go-on",
        "New messages follow the missed ones without gaps or duplicates.",
        (Store(1, 3), Return("?after=1"), Store(4, 8), Hear(7)),
        (stored(2, 8),),
    ),
    Probe(
        "resume-at-the-newest",
        "A client that has missed nothing gets what comes next.",
        (Store(1, 3), Return("?after=3"), Store(4, 4), Hear(1)),
        (stored(4, 4),),
    ),
    Probe(
        "resume-from-the-beginning",
        "A client that has nothing yet may ask for all that is kept.",
        (Store(1, 3), Return("?after=0"), Hear(3)),
        (stored(1, 3),),
    ),
    Probe(
        "resume-by-header",
        "The header Last-Event-ID, which an EventSource sends, does what ?after= does.",
        (Store(1, 5), Return(last_event_id="3"), Hear(2)),
        (stored(4, 5),),
    ),
    Probe(
        "begin-with-the-next",
        "A client that names no id begins with the next message.",
        (Store(1, 3), Return(), Store(4, 4), Hear(1)),
        (stored(4, 4),),
    ),
    Probe(
        "too-old",
        "A client whose messages are not kept any more learns which are lost, and gets the others.",
        (Store(1, 30), Return("?after=2"), Hear(3)),
        (
            Heard(
                (
                    (
                        "client",
                        (
                            Reply('{"lost":{"before":11}}'),
                            Reply('{"id":11,"message":11}'),
                            Reply('{"id":12,"message":12}'),
                        ),
                    ),
                )
            ),
        ),
    ),
    *(
        Probe(
            f"after-{name}",
            f"{what} is answered with an error, and the connection is useful.",
            (Store(1, 3), Return(f"?after={after}"), Hear(1), Store(4, 4), Hear(1)),
            (Heard((("client", (ErrorReply("invalid_request"),)),)), stored(4, 4)),
            only=("websocket",),
            because=NO_STATUS,
        )
        for name, what, after in (
            ("no-number", "An id that is no number", "x"),
            ("negative", "A negative id", "-1"),
            ("long", "An id of 400 digits", "9" * 400),
            ("beyond", "An id beyond the newest", "4000"),
        )
    ),
)

HISTORY_HTTP = group(
    "HTTP",
    Probe(
        "publish-with-id",
        "POST is answered with 202, the id and the message.",
        (Request("POST", body=b'{"message": "hi"}', look_at=("content-type",)),),
        (Response(202, Reply('{"id":1,"message":"hi"}'), (JSON_TYPE,)),),
    ),
    Probe(
        "stream-after-no-number",
        "A stream after an id that is no number is refused with an error.",
        (Request("GET", "?after=x", headers=(STREAM,)),),
        (Response(400, ErrorReply("invalid_request")),),
    ),
    only=("http",),
    because=NO_METHODS,
)
