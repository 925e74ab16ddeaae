"""An echo to everyone in the room, and what rooms add to HTTP."""

from sandbox.compare.observations import ErrorReply, Heard, Opened, Refused, Reply, Response
from sandbox.compare.probe import HI, HI_BACK, NO_HANDSHAKE, NO_METHODS, Probe, group
from sandbox.compare.probes.hosts import STREAM
from sandbox.compare.probes.http import JSON_TYPE
from sandbox.compare.room_steps import HearAll, JoinAll, Say, SayInTwoRooms, VanishAll, all_hear
from sandbox.compare.steps import Open, Request

STREAM_HEADERS = (("content-type", "text/event-stream"), ("cache-control", "no-store"))

ROOM_HTTP = group(
    "HTTP",
    Probe(
        "publish",
        "POST is answered with 202 and the message.",
        (Request("POST", body=HI.encode(), look_at=("content-type", "content-length")),),
        (Response(202, HI_BACK, (JSON_TYPE, ("content-length", "16"))),),
    ),
    Probe(
        "follow-by-accident",
        "GET without Accept: text/event-stream is answered with an error, and does not hang.",
        (Request("GET"),),
        (Response(406, ErrorReply("not_acceptable")),),
    ),
    Probe(
        "follow-head",
        "HEAD gets the headers of GET and no body.",
        (Request("HEAD", headers=(STREAM,), look_at=("content-type", "cache-control")),),
        (Response(200, headers=STREAM_HEADERS),),
    ),
    Probe(
        "publish-foreign",
        "A page of another site may not publish.",
        (Request("POST", headers=(("Origin", "https://evil.example"),), body=HI.encode()),),
        (Response(403),),
    ),
    only=("http",),
    because=NO_METHODS,
)

STREAMS = Response(200, headers=(("content-type", "text/event-stream"),))
NO_STREAM = Response(406, ErrorReply("not_acceptable"), (("content-type", "application/json"),))

ACCEPT = group(
    "HTTP",
    *(
        Probe(
            f"accept-{name}",
            sentence,
            (
                Request(
                    "HEAD" if expected is STREAMS else "GET",
                    headers=tuple(("Accept", line) for line in lines),
                    look_at=("content-type",),
                ),
            ),
            (expected,),
        )
        for name, sentence, lines, expected in (
            (
                "case",
                "The media type in Accept may be in upper case.",
                ("TEXT/Event-Stream",),
                STREAMS,
            ),
            (
                "quality",
                "A quality above 0 opens a stream.",
                ("text/event-stream; Q=0.1",),
                STREAMS,
            ),
            (
                "list",
                "The media type may be one of several.",
                ("a/b;q=1 , text/event-stream",),
                STREAMS,
            ),
            (
                "lines",
                "Several Accept headers are one list.",
                ("a/b", "text/event-stream"),
                STREAMS,
            ),
            ("quality-0", "A quality of 0 opens no stream.", ("text/event-stream;q=0",), NO_STREAM),
            (
                "look-alike",
                "A type that only begins like it opens no stream.",
                ("text/event-streamx",),
                NO_STREAM,
            ),
            (
                "parameter",
                "The type as a parameter of another opens no stream.",
                ('a/b;c="text/event-stream"',),
                NO_STREAM,
            ),
            ("any", "A client that accepts anything gets no stream.", ("text/*, */*",), NO_STREAM),
        )
    ),
    only=("http",),
    because=NO_METHODS,
)

ROOM = group(
    "Rooms",
    Probe(
        "all-hear",
        "All five types hear the same bytes, whatever type sends.",
        (JoinAll(), Say(HI), HearAll()),
        (all_hear('{"message":"hi"}'),),
    ),
    Probe(
        "all-hear-exactly",
        "No number and no character changes on its way through the channel layer.",
        (
            JoinAll(),
            Say('{"message": [18446744073709551616, 1e22, "é\\u2028"]}'),
            HearAll(),
        ),
        (all_hear('{"message":[18446744073709551616,1e22,"é\u2028"]}'),),
    ),
    Probe(
        "all-hear-in-order",
        "All hear the messages of a sender in its order.",
        (JoinAll(), *(Say(f'{{"message": {number}}}') for number in range(50)), HearAll(50)),
        (all_hear(*(f'{{"message":{number}}}' for number in range(50))),),
    ),
    Probe(
        "error-to-sender",
        "An error is for its sender alone.",
        (JoinAll(), Say("{", look_at_answer=True), Say(HI), HearAll()),
        (ErrorReply("invalid_json"), all_hear('{"message":"hi"}')),
    ),
    Probe(
        "loss",
        "Members that vanish without a close do not disturb the others.",
        (JoinAll(), VanishAll(), JoinAll(), Say(HI), HearAll()),
        (all_hear('{"message":"hi"}'),),
    ),
    Probe(
        "other-room",
        "What is said in one room is not heard in another.",
        (SayInTwoRooms(),),
        (
            Heard(
                (
                    ("this room", (Reply('{"message":"this room"}'),)),
                    ("other room", (Reply('{"message":"other room"}'),)),
                )
            ),
        ),
    ),
    *(
        Probe(
            f"room-{name}", sentence, (Open(room=room),), (expected,), ("websocket",), NO_HANDSHAKE
        )
        for name, sentence, room, expected in (
            ("longest", "A name may have 94 characters.", "x" * 94, Opened()),
            ("too-long", "A name of 95 characters is refused.", "x" * 95, Refused(403)),
            ("space", "A name with a space is refused.", "a%20b", Refused(403)),
            ("letters", "A name with a letter outside ASCII is refused.", "%C3%A9", Refused(403)),
            ("dot", "One dot is no name: in a path it is the folder itself.", ".", Refused(403)),
            (
                "two-dots",
                "Two dots are no name: in a path they are the folder above.",
                "..",
                Refused(403),
            ),
            ("three-dots", "Three dots are a name.", "...", Opened()),
        )
    ),
)
