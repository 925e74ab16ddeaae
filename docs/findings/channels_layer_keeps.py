"""The in-memory layer keeps messages for a channel that has left its group.

Prints: after group_discard 5 messages wait
Seen with: channels 4.3.2
Cause: each message waits until it expires, after a minute unless set otherwise.
Workaround: sandbox/layers/in_memory.py
"""

import asyncio

from channels.layers import InMemoryChannelLayer
from serving import show_versions


async def main():
    layer = InMemoryChannelLayer()
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    for _ in range(5):
        await layer.group_send("room", {"type": "chat.message"})
    await layer.group_discard("room", channel)
    waiting = sum(queue.qsize() for queue in layer.channels.values())
    print(f"after group_discard {waiting} messages wait")


if __name__ == "__main__":
    show_versions("channels")
    asyncio.run(main())
