"""The in-memory layer fails at the first send if it has a ``channel_capacity``.

Prints: ValueError: too many values to unpack (expected 2)
Seen with: channels 4.3.2
Cause: it does not compile the patterns of `channel_capacity`; the Redis layer does.
Workaround: sandbox/settings.py gives its in-memory layers one `capacity` for all channels
"""

import asyncio

from channels.layers import InMemoryChannelLayer
from serving import show_versions


async def main():
    layer = InMemoryChannelLayer(channel_capacity={"mail.*": 5})
    try:
        await layer.send("mail.1", {"type": "mail"})
        print("sent")
    except ValueError as error:
        print(f"ValueError: {error}")


if __name__ == "__main__":
    show_versions("channels")
    asyncio.run(main())
