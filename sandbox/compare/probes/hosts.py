"""By which name a client may call the server: these probes are put to every exhibit."""

from sandbox.compare.observations import Opened, Refused, Response
from sandbox.compare.probe import HI, NO_HANDSHAKE, NO_METHODS, Probe, group
from sandbox.compare.steps import Open, Request

STREAM = ("Accept", "text/event-stream")
FOREIGN, LOOK_ALIKE = "evil.example", "{hostname}.evil.example"

HOSTS = group(
    "Host",
    *(
        Probe(f"host-{name}", sentence, steps, expected, ("websocket",), NO_HANDSHAKE)
        for name, sentence, steps, expected in (
            (
                "foreign",
                "A Host that is not ours is refused: its page could read all that is answered.",
                (Open(host=FOREIGN),),
                (Refused(403),),
            ),
            (
                "look-alike",
                "A Host whose name begins like ours is refused.",
                (Open(host=LOOK_ALIKE),),
                (Refused(403),),
            ),
            (
                "other-port",
                "The port in a Host does not matter.",
                (Open(host="{hostname}:1"),),
                (Opened(),),
            ),
            (
                "trailing-dot",
                "A name with a dot at its end is the same name, for the page too that connects.",
                (Open(host="{hostname}.", origin="http://{hostname}."),),
                (Opened(),),
            ),
        )
    ),
    *(
        Probe(
            f"http-host-{name}",
            sentence,
            (
                Request("POST", body=HI.encode(), host=host),
                Request("GET", headers=(STREAM,), host=host),
            ),
            (Response(400), Response(400)),
            ("http",),
            NO_METHODS,
        )
        for name, sentence, host in (
            ("foreign", "With a Host that is not ours there is no reply and no stream.", FOREIGN),
            (
                "look-alike",
                "With a Host whose name begins like ours there is no reply and no stream.",
                LOOK_ALIKE,
            ),
        )
    ),
)
