"""The Redis layers cannot carry an integer of more than 64 bits.

Prints: OverflowError: Integer value out of range
Seen with: channels_redis 4.3.0, msgpack 1.2.4
Cause: their format, MessagePack, has no larger integers.
Workaround: consumers/rooms/member.py sends the encoded reply, a text
"""

import asyncio
import os

from channels_redis.pubsub import RedisPubSubChannelLayer
from serving import show_versions


async def main():
    layer = RedisPubSubChannelLayer([os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")])
    try:
        await layer.group_send("room", {"type": "chat.message", "number": 2**64})
        print("sent")
    except OverflowError as error:
        print(f"OverflowError: {error}")


if __name__ == "__main__":
    show_versions("channels_redis", "msgpack")
    asyncio.run(main())
