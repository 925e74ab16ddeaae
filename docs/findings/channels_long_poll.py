"""An ``AsyncHttpConsumer`` ends when ``handle`` returns, so it cannot wait for a message.

Prints: handle returned; disconnect ran; the message did not arrive
Seen with: channels 4.3.2
Cause: `http_request` raises StopConsumer after `handle`. But the documented long poll waits for a
    message after `handle`.
Workaround: consumers/rooms/event_stream.py overrides `http_request`
Reported: https://github.com/django/channels/issues/1747
"""

import asyncio

from channels.generic.http import AsyncHttpConsumer
from django.conf import settings
from serving import serving

LAYER = "channels.layers.InMemoryChannelLayer"
settings.configure(CHANNEL_LAYERS={"default": {"BACKEND": LAYER}})


class LongPoll(AsyncHttpConsumer):
    async def handle(self, body):
        await self.send_headers()
        await self.send_body(b"", more_body=True)
        message = self.channel_layer.send(self.channel_name, {"type": "chat.message"})
        self.task = asyncio.create_task(message)
        print("handle returned", flush=True)

    async def chat_message(self, event):
        print("the message arrived", flush=True)
        await self.send_body(b"hi")

    async def disconnect(self):
        print("disconnect ran", flush=True)


application = LongPoll.as_asgi()

if __name__ == "__main__":
    with serving("daphne") as server, server.plain(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        arrived = server.prints("the message arrived", 3)
        seen = [line for line in server.log().splitlines() if line.endswith(("returned", "ran"))]
        print(*seen, f"the message {'arrived' if arrived else 'did not arrive'}", sep="; ")
