"""The Redis Pub/Sub layer keeps all messages for a consumer that takes none, whatever its capacity.

Prints: capacity 10, of 1000 messages 1000 are received later
Seen with: channels_redis 4.3.0
Cause: the queue of each channel has no limit.
Workaround: sandbox/layers/pub_sub.py
"""

import asyncio
import os
from contextlib import suppress

from channels_redis.pubsub import RedisPubSubChannelLayer
from serving import show_versions

MESSAGES = 1000


async def main():
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
    layer = RedisPubSubChannelLayer(hosts=[url], capacity=10)
    channel = await layer.new_channel()
    for number in range(MESSAGES):
        await layer.send(channel, {"type": "chat.message", "number": number})
    received = 0
    with suppress(TimeoutError):
        while received < MESSAGES:
            await asyncio.wait_for(layer.receive(channel), 9)
            received += 1
    print(f"capacity 10, of {MESSAGES} messages {received} are received later")
    await layer.flush()


if __name__ == "__main__":
    show_versions("channels_redis", "redis")
    asyncio.run(main())
