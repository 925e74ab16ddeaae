"""Counting what a channel layer loses."""

import logging

logger = logging.getLogger("channels.layers")


class DropCounter:
    """How many messages a layer has dropped."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, channel: str) -> None:
        self.count += 1
        if self.count & (self.count - 1) == 0:  # at 1, 2, 4, 8: few lines even for a flood
            logger.warning("%s is over capacity: %d dropped by now.", channel, self.count)


class GapCounter:
    """How often a layer has lost its subscriptions: what was published then is missed."""

    def __init__(self) -> None:
        self.count = 0

    def begin(self, reason: str) -> None:
        self.count += 1
        logger.warning("Gap %d: the subscriptions in Redis are lost (%s).", self.count, reason)

    def end(self, seconds: float) -> None:
        logger.warning("Gap %d is over: messages of %.1f s may be missed.", self.count, seconds)
