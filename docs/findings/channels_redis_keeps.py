"""The Redis Pub/Sub layer keeps the channel of a consumer that ends while a message waits for it.

Prints: after the end of its consumer 1 channel is kept
Seen with: channels 4.3.2, channels_redis 4.3.0
Cause: it forgets a channel when its receive is cancelled; Channels cancels none that has returned.
Workaround: sandbox/layers/pub_sub.py
"""

import asyncio
import os

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from serving import show_versions


class ChatConsumer(AsyncWebsocketConsumer):
    groups = ("room",)

    async def receive(self, text_data):
        for _ in range(2):  # which wait until this handler has returned
            await self.channel_layer.group_send("room", {"type": "chat.message"})
        await asyncio.sleep(1)

    async def chat_message(self, event):
        pass


async def main():
    events = asyncio.Queue()
    events.put_nowait({"type": "websocket.connect"})
    events.put_nowait({"type": "websocket.receive", "text": "hi"})
    events.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await ChatConsumer.as_asgi()({"type": "websocket"}, events.get, asyncio.Queue().put)
    layer = get_channel_layer()
    print(f"after the end of its consumer {len(layer.channels)} channel is kept")
    await layer.flush()


if __name__ == "__main__":
    show_versions("channels", "channels_redis", "redis")
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
    layer = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [url]},
    }
    settings.configure(CHANNEL_LAYERS={"default": layer})
    asyncio.run(main())
