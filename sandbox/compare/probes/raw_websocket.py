"""Handshakes and first bytes that no client library sends, but any program can.

How a server takes them is its own affair, and the servers differ; nothing may be left behind.
"""

from sandbox.compare.observations import Disconnect, Opened, Refused, Reply
from sandbox.compare.probe import HI, HI_BACK, NO_HANDSHAKE, Probe, group
from sandbox.compare.steps import Ask, AskSubprotocols, AwaitDisconnect, Close, Open

EARLY, EARLY_BACK = '{"message": "early"}', Reply('{"message":"early"}')

RAW_WEBSOCKET = group(
    "Raw handshakes",
    Probe(
        "early-frame",
        "A message in the same segment as the handshake comes too early.",
        (Open(early=EARLY), Ask(HI)),
        (Opened(), HI_BACK),
    ),
    Probe(
        "early-frame-end",
        "After a message in the same segment as the handshake, disconnect runs as usual.",
        (Open(early=EARLY), Close(1000), AwaitDisconnect()),
        (Opened(), Disconnect(1000)),
    ),
    Probe(
        "subprotocol-twice",
        "A handshake offers the same subprotocol twice.",
        (Open(subprotocols=("chat", "chat")),),
        (Refused(400),),
    ),
    Probe(
        "subprotocol-not-ascii",
        "A handshake offers a subprotocol whose name is not ASCII.",
        (Open(headers=(("Sec-WebSocket-Protocol", "é"),)),),
        (Refused(500),),
    ),
    only=("websocket",),
    because=NO_HANDSHAKE,
)

RAW_SCOPE = group(
    "Raw handshakes",
    Probe(
        "subprotocol-lines",
        "Subprotocols may come in several header lines, and the consumer knows all of them.",
        (
            AskSubprotocols(
                (("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Protocol", "superchat"))
            ),
        ),
        (Reply("chat superchat"),),
    ),
    only=("websocket",),
    because=NO_HANDSHAKE,
)
