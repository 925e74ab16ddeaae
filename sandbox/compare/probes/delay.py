"""A reply waits as long as its request asks, and makes no other connection wait."""

from sandbox.compare.observations import ErrorReply, Neighbour, Reply
from sandbox.compare.probe import Probe, group
from sandbox.compare.steps import Ask, AskBoth, AskDelayed

DELAY = group(
    "Delay",
    Probe(
        "delay",
        "A reply waits as long as it was asked to.",
        (AskDelayed(0.3),),
        (Reply('{"message":1}'),),
        watches_clock=True,
    ),
    Probe(
        "delay-zero",
        "A delay of 0 is allowed.",
        (Ask('{"message": 1, "delay": 0}'),),
        (Reply('{"message":1}'),),
    ),
    *(
        Probe(
            f"delay-{name}",
            sentence,
            (Ask(f'{{"message": 1, "delay": {delay}}}'),),
            (ErrorReply("invalid_request"),),
        )
        for name, sentence, delay in (
            ("too-long", "A delay over the limit is refused.", "1.001"),
            ("negative", "A negative delay is refused.", "-0.5"),
            ("true", "true is no number of seconds.", "true"),
            ("null", "null is no number of seconds.", "null"),
            ("string", "A string is no number of seconds.", '"1"'),
        )
    ),
    Probe(
        "neighbours",
        "While one connection waits, another is answered.",
        (AskBoth(0.5),),
        (Neighbour(waits=False),),
        watches_clock=True,
    ),
)
