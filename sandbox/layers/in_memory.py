"""The in-memory channel layer, which logs what it drops."""

from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer

from sandbox.layers.drops import DropCounter


class InMemoryLayer(InMemoryChannelLayer):
    """The stock layer drops a group's message for a full channel without a log line."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.drops = DropCounter()

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        try:
            await super().send(channel, message)
        except ChannelFull:
            self.drops.add(channel)
            raise
