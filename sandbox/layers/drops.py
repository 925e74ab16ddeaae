"""Counting what a channel layer drops."""

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
