"""A request is an object with a message."""

from sandbox.compare.probe import error, group

REQUESTS = group(
    "Requests",
    error("array", "A request is no array.", '["message"]', "invalid_request"),
    error("string", "A request is no string.", '"message"', "invalid_request"),
    error("bare-null", "A request is not null.", "null", "invalid_request"),
    error("no-message", "A request has a message.", "{}", "invalid_request"),
    error(
        "message-in-capitals",
        "Upper and lower case make different names.",
        '{"Message": 1}',
        "invalid_request",
    ),
)
