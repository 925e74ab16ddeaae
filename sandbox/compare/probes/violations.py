"""Frames that RFC 6455 forbids end the connection."""

from websockets.frames import Opcode

from sandbox.compare.observations import Closed
from sandbox.compare.probe import HI, NO_FRAMES, Probe, group
from sandbox.compare.steps import Receive, SendFrame

VIOLATIONS = group(
    "Violations",
    *(
        Probe(id, sentence, (*frames, Receive()), (Closed(1006),))
        for id, sentence, *frames in (  # noqa: A001 # of a probe
            (
                "text-not-utf-8",
                "A text message that is not UTF-8 ends the connection.",
                SendFrame(Opcode.TEXT, b'{"message": "\xff"}'),
            ),
            (
                "stray-continuation",
                "A continuation frame without a message before it ends the connection.",
                SendFrame(Opcode.CONT, HI.encode()),
            ),
            (
                "unfinished-message",
                "A message inside an unfinished one ends the connection.",
                SendFrame(Opcode.TEXT, b"{", fin=False),
                SendFrame(Opcode.TEXT, HI.encode()),
            ),
            (
                "long-ping",
                "A ping of more than 125 bytes ends the connection.",
                SendFrame(Opcode.PING, b"x" * 126),
            ),
        )
    ),
    only=("websocket",),
    because=NO_FRAMES,
)
