"""With redis-py 8, ``receive`` of the core Redis layer raises after 5 seconds without a message.

Prints: TimeoutError without a message
Seen with: channels_redis 4.3.0, redis 8.1.0
Cause: since redis-py 8 a read times out after 5 seconds unless set otherwise, and `receive`
    waits for 5 seconds too.
Workaround: `"socket_timeout": 10` for each of the layer's `hosts`, as in sandbox/settings.py
Reported: https://github.com/django/channels_redis/issues/422
"""

import asyncio
import os

import redis
from channels_redis.core import RedisChannelLayer
from serving import show_versions


async def main():
    layer = RedisChannelLayer([os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")])
    try:
        await asyncio.wait_for(layer.receive("unused"), 9)
    except redis.TimeoutError as error:
        print(type(error).__name__, "without a message")
    except TimeoutError:
        print("still waiting after 9 s")


if __name__ == "__main__":
    show_versions("channels_redis", "redis")
    asyncio.run(main())
