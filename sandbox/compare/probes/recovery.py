"""A bad request does no harm to the connection."""

from sandbox.compare.observations import ErrorReply
from sandbox.compare.probe import HI, HI_BACK, Probe, group, nested, sized
from sandbox.compare.steps import Ask

RECOVERY = group(
    "Recovery",
    *(
        Probe(
            f"after-{name}",
            f"After {what} the connection is as useful as before.",
            (Ask(request), Ask(HI)),
            (ErrorReply(code), HI_BACK),
        )
        for name, what, request, code in (
            ("invalid-json", "what is not JSON", "{", "invalid_json"),
            ("invalid-request", "a request without a message", "{}", "invalid_request"),
            ("too-deep", "one nested too deep", nested(101)[0], "too_deep"),
            ("too-large", "one too large", sized(65_537)[0], "too_large"),
            ("empty", "an empty one", "", "invalid_json"),
            ("bad-binary", "binary that is not UTF-8", b"\xff\xfe", "invalid_json"),
        )
    ),
)
