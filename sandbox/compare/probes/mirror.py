"""What comes back from a consumer that reads nothing: every message as it came."""

from sandbox.compare.observations import BinaryMessage, Closed, Reply
from sandbox.compare.probe import NO_FRAMES, Probe, group
from sandbox.compare.steps import Ask, Receive, Send

BEHIND = "behind"

MIRROR = group(
    "Mirror",
    Probe("text-back", "A text comes back as a text.", (Ask("é\n{"),), (Reply("é\n{"),)),
    Probe(
        "binary-back",
        "A binary message comes back as a binary one.",
        (Ask(b"\x00\xff"),),
        (BinaryMessage(b"\x00\xff"),),
    ),
    Probe(
        "fragments-back",
        "A message in fragments comes back whole.",
        (Ask((b"\xc3", b"\xa9", b"")),),
        (Reply("é"),),
    ),
    Probe(
        "empty-reply",
        "An empty text is a message too, and comes back before the next one.",
        (Send(""), Send(BEHIND), Receive()),
        (Reply(""),),
    ),
    Probe(
        "empty-binary-reply",
        "An empty binary message is a message too, and comes back before the next one.",
        (Send(b""), Send(BEHIND), Receive()),
        (BinaryMessage(b""),),
    ),
    Probe(
        "large-back",
        "A message below the server's cap comes back, however large.",
        (Ask("x" * 2**20),),
        (Reply("x" * 2**20),),
    ),
    Probe(
        "over-the-cap",
        "Over the server's cap, here Daphne's, it ends the connection.",
        (Ask("x" * (2**20 + 1)),),
        (Closed(1006),),
    ),
    only=("websocket",),
    because=NO_FRAMES,
)
