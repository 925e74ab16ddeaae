"""The in-memory channel layer, which logs what it drops."""

from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer

from sandbox.layers.drops import DropCounter


class InMemoryLayer(InMemoryChannelLayer):
    """The stock layer drops a group's message for a full channel without a log line.

    It also keeps what waits for a channel that has left its group until each message expires: with
    room for 500 messages, members that do not read and leave again filled the memory.
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.drops = DropCounter()

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        try:
            await super().send(channel, message)
        except ChannelFull:
            self.drops.add(channel)
            raise

    async def group_discard(self, group: str, channel: str) -> None:
        """Forget what waits for the channel too, once it is in no group any more."""
        await super().group_discard(group, channel)
        is_member = any(channel in members for members in self.groups.values())
        waiting = self.channels.get(channel)
        if waiting and not waiting.empty() and not is_member:  # an empty one may be received from
            del self.channels[channel]

    def members(self, group: str) -> int:
        """Count those of this process, which are all."""
        return len(self.groups.get(group, ()))
