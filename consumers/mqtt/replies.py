"""Where a device finds the answer to what it has published."""

from typing import Any

from consumers.contract import Error, Request, answer, encode

BUSY = Error("unavailable", "This cannot be taken now: try again in a moment.")


def reply(scope: Any, message: Any, request: Request | Error) -> Any:
    """Make the event that publishes the answer next to the topic of a message, at its QoS."""
    return {
        "type": "mqtt.pub",
        "mqtt": {
            "topic": reply_topic(scope["topic"]),
            "payload": encode(answer(request)).encode(),
            "qos": message["qos"],
            "retain": False,
        },
    }


def reply_topic(topic: str) -> str:
    """``sandbox/echo/<client>/request`` is answered on ``sandbox/echo/<client>/reply``."""
    return topic.rpartition("/")[0] + "/reply"


def busy(scope: Any, message: Any) -> Any:
    """Make the reply to a request for which there is no room."""
    return reply(scope, message, BUSY)
