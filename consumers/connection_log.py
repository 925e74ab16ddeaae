"""The connection log: one line for each connect and disconnect (INFO) and receive (DEBUG)."""

import logging
from typing import Any

logger = logging.getLogger("consumers")


def connected(scope: Any) -> None:
    logger.info("%s %s connect", _client(scope), scope["path"])


def received(scope: Any) -> None:
    if logger.isEnabledFor(logging.DEBUG):  # called for every message, so formats only if logged
        logger.debug("%s %s receive", _client(scope), scope["path"])


def disconnected(scope: Any, code: int | None = None) -> None:
    """``code`` is the WebSocket close code; HTTP has none."""
    logger.info(
        "%s %s disconnect%s", _client(scope), scope["path"], "" if code is None else f" {code}"
    )


def undelivered(channel: str, error: Exception) -> None:
    """Log a message to or from a worker that the channel layer did not accept."""
    logger.warning("%s message lost: %s", channel, str(error) or type(error).__name__)


def waits(topic: str, error: Exception) -> None:
    """Log that a consumer cannot begin its work yet, because its channel layer does not answer."""
    logger.warning("%s waits for its room: %s", topic, str(error) or type(error).__name__)


def _client(scope: Any) -> str:
    host, port = scope.get("client") or ("-", "-")
    return f"{host}:{port}"
