"""Text, binary, empty, fragmented and pipelined messages, and pings between them."""

from websockets.frames import Opcode

from sandbox.compare.observations import ErrorReply, Pong, Reply
from sandbox.compare.probe import (
    HI,
    HI_BACK,
    NO_FRAMES,
    NO_PARTS,
    NO_PIPELINE,
    NO_TEXT_OR_BINARY,
    Probe,
    error,
    group,
)
from sandbox.compare.steps import Ask, Receive, Send, SendFrame

MESSAGES = group(
    "Messages",
    Probe("binary", "A binary message is read like a text.", (Ask(HI.encode()),), (HI_BACK,)),
    error("empty-text", "An empty message is not JSON.", "", "invalid_json"),
    Probe(
        "empty-binary",
        "An empty binary message is not JSON.",
        (Ask(b""),),
        (ErrorReply("invalid_json"),),
        ("websocket",),
        NO_TEXT_OR_BINARY,
    ),
    Probe(
        "fragments",
        "A message in fragments, a body in chunks, is one.",
        (Ask((b'{"mess', b'age": ', b'"hi"}')),),
        (HI_BACK,),
        ("websocket", "http"),
        NO_PARTS,
    ),
    Probe(
        "split-character",
        "A fragment may end inside a character.",
        (Ask((b'{"message": "\xf0\x9f', b"\x98\x80", b'"}')),),
        (Reply('{"message":"😀"}'),),
        ("websocket", "http"),
        NO_PARTS,
    ),
    Probe(
        "empty-fragments",
        "Fragments may be empty.",
        (Ask((b"", HI.encode(), b"")),),
        (HI_BACK,),
        ("websocket",),
        NO_FRAMES,
    ),
    Probe(
        "ping",
        "A ping is answered with its payload, and the consumer does not see it.",
        (SendFrame(Opcode.PING, b"ping"), Receive(), Ask(HI)),
        (Pong(b"ping"), HI_BACK),
        ("websocket",),
        NO_FRAMES,
    ),
    Probe(
        "ping-between-fragments",
        "A ping may come between two fragments.",
        (
            SendFrame(Opcode.TEXT, HI[:5].encode(), fin=False),
            SendFrame(Opcode.PING, b"now"),
            Receive(),
            SendFrame(Opcode.CONT, HI[5:].encode()),
            Receive(),
        ),
        (Pong(b"now"), HI_BACK),
        ("websocket",),
        NO_FRAMES,
    ),
    Probe(
        "unasked-pong",
        "A pong without a ping is ignored.",
        (SendFrame(Opcode.PONG, b""), Ask(HI)),
        (HI_BACK,),
        ("websocket",),
        NO_FRAMES,
    ),
    Probe(
        "pipelined",
        "100 requests sent at once are answered in order.",
        (*(Send(f'{{"message":{number}}}') for number in range(100)), *[Receive()] * 100),
        tuple(Reply(f'{{"message":{number}}}') for number in range(100)),
        ("websocket", "mqtt"),
        NO_PIPELINE,
    ),
    Probe(
        "slow-before-fast",
        "A request does not overtake the one before it.",
        (
            Send('{"message": "slow", "delay": 0.2}'),
            Send('{"message": "fast"}'),
            Receive(),
            Receive(),
        ),
        (Reply('{"message":"slow"}'), Reply('{"message":"fast"}')),
        ("websocket", "mqtt"),
        NO_PIPELINE,
    ),
    Probe(
        "error-behind-message",
        "An error does not overtake the reply to the request before it.",
        (Send(HI), Send("{"), Receive(), Receive()),
        (HI_BACK, ErrorReply("invalid_json")),
        ("websocket", "mqtt"),
        NO_PIPELINE,
    ),
)
