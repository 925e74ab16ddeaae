"""An echo done by a consumer in another process, which need not be there."""

from sandbox.compare.observations import ErrorReply, OneOf, Opened, Refused, Reply
from sandbox.compare.probe import NO_FRAMES, Probe, group
from sandbox.compare.steps import Ask, Open

ASK = Ask('{"message": [1e22]}')
ECHO_OR_REASON = OneOf(
    (Reply('{"message":[1e22]}'), ErrorReply("no_worker"), ErrorReply("unavailable"))
)

WORKER = group(
    "Worker",
    Probe(
        "worker",
        "A worker does the echo; where there is none, the answer says so.",
        (ASK,),
        (ECHO_OR_REASON,),
    ),
    Probe(
        "worker-sync",
        "The client may choose the worker.",
        (Open(suffix="?worker=echo-sync"), ASK),
        (Opened(), ECHO_OR_REASON),
    ),
    Probe(
        "worker-unknown",
        "A worker that does not exist is refused in the handshake.",
        (Open(suffix="?worker=unknown"),),
        (Refused(403),),
    ),
    only=("websocket",),
    because=NO_FRAMES,
)
