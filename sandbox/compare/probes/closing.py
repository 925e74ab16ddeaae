"""However a connection ends, the consumer's ``disconnect`` runs."""

from websockets.frames import Opcode

from sandbox.compare.observations import Closed, Disconnect, ErrorReply
from sandbox.compare.probe import HI, HI_BACK, NO_CLOSE, Probe, group
from sandbox.compare.steps import Ask, AwaitDisconnect, Close, Send, SendFrame, Vanish

SLOW = Send('{"message":1,"delay":0.3}')

CLOSING = group(
    "Closing",
    *(
        Probe(
            f"close-{code}",
            f"A client closes with {code}: the consumer's disconnect gets that code.",
            (Close(code), AwaitDisconnect()),
            (Disconnect(code),),
        )
        for code in (1000, 1001, 4000)
    ),
    Probe(
        "close-answer",
        "The server answers a client's close with one of its own.",
        (Close(4000, look_at_answer=True),),
        (Closed(1000),),
    ),
    Probe(
        "vanish",
        "A client vanishes without a close frame: disconnect runs all the same.",
        (Vanish(), AwaitDisconnect()),
        (Disconnect(1006),),
    ),
    Probe(
        "close-empty",
        "A client closes without a code: disconnect gets 1005, which RFC 6455 has for it.",
        (SendFrame(Opcode.CLOSE, b""), AwaitDisconnect()),
        (Disconnect(1005),),
    ),
    Probe(
        "leave-while-waiting",
        "A client closes before it gets its reply: disconnect runs all the same.",
        (SLOW, Close(1000), AwaitDisconnect()),
        (Disconnect(1000),),
        watches_clock=True,
    ),
    Probe(
        "vanish-while-waiting",
        "A client vanishes before it gets its reply: disconnect runs all the same.",
        (SLOW, Vanish(after=0.15), AwaitDisconnect()),
        (Disconnect(1006),),
        watches_clock=True,
    ),
    Probe(
        "close-after-error",
        "After bad input the consumer's disconnect runs as usual.",
        (Ask("{"), Close(1000), AwaitDisconnect()),
        (ErrorReply("invalid_json"), Disconnect(1000)),
    ),
    Probe(
        "http-disconnect",
        "Disconnect runs after the response.",
        (Ask(HI), AwaitDisconnect()),
        (HI_BACK, Disconnect()),
        ("http",),
        "For a WebSocket, the close code is checked.",
    ),
    Probe(
        "http-leave",
        "A client leaves before it gets its response: disconnect runs all the same.",
        (SLOW, Vanish(after=0.15), AwaitDisconnect()),
        (Disconnect(),),
        ("http",),
        "For a WebSocket, the close code is checked.",
        watches_clock=True,
    ),
    only=("websocket",),
    because=NO_CLOSE,
)
