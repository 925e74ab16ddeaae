"""Who may open a WebSocket, and what the handshake negotiates."""

from sandbox.compare.observations import Opened, Refused
from sandbox.compare.probe import HI, HI_BACK, NO_HANDSHAKE, Probe, group
from sandbox.compare.steps import Ask, Open

HANDSHAKE = group(
    "Handshake",
    Probe(
        "subprotocol",
        "Of the subprotocols that a client offers none is chosen.",
        (Open(subprotocols=("chat", "superchat")), Ask(HI)),
        (Opened(), HI_BACK),
    ),
    Probe(
        "compression",
        "No server takes up an offer to compress: compressed, a small message can be huge.",
        (Open(compression=True),),
        (Opened(),),
    ),
    Probe(
        "query",
        "A query in the URL does not matter.",
        (Open(suffix="?message=no"), Ask(HI)),
        (Opened(), HI_BACK),
    ),
    Probe(
        "origin-own",
        "Pages of the site itself may connect.",
        (Open(origin="{origin}"),),
        (Opened(),),
    ),
    Probe(
        "origin-other-port",
        "Pages of the same host on another port may connect.",
        (Open(origin="http://{hostname}:1"),),
        (Opened(),),
    ),
    Probe(
        "origin-none",
        "A client that sends no Origin, as no browser does, may connect.",
        (Open(), Ask(HI)),
        (Opened(), HI_BACK),
    ),
    Probe(
        "origin-foreign",
        "Pages of another site are refused.",
        (Open(origin="https://evil.example"),),
        (Refused(403),),
    ),
    Probe(
        "origin-look-alike",
        "Pages of a host whose name begins like ours are refused.",
        (Open(origin="http://{hostname}.evil.example"),),
        (Refused(403),),
    ),
    Probe(
        "origin-null",
        "Pages whose origin is null are refused.",
        (Open(origin="null"),),
        (Refused(403),),
    ),
    Probe(
        "origin-malformed",
        "An Origin that is no URL is refused.",
        (Open(origin="http://["),),
        (Refused(400),),
    ),
    Probe(
        "unknown-path",
        "An unknown path is refused in the handshake.",
        (Open(suffix="nowhere/"),),
        (Refused(403),),
    ),
    only=("websocket",),
    because=NO_HANDSHAKE,
)
