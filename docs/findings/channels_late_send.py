"""On Uvicorn a consumer gets no ``disconnect`` if its client leaves before the reply is sent.

Prints: receive ran, disconnect did not
Seen with: channels 4.3.2, uvicorn 0.54.0
Cause: `send` raises OSError, as ASGI allows since 2.4, and Channels treats it as an exception
    of the handler.
Workaround: routing/ending.py
Reported: https://github.com/django/channels/issues/1466
"""

import asyncio

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from serving import serving
from websockets.sync.client import connect

settings.configure()


class Consumer(AsyncWebsocketConsumer):
    async def receive(self, text_data):
        print("receive ran", flush=True)
        await asyncio.sleep(1)
        await self.send(text_data)

    async def disconnect(self, code):
        print("disconnect ran", flush=True)


application = Consumer.as_asgi()

if __name__ == "__main__":
    with serving("uvicorn") as server:
        with connect(server.url) as client:
            client.send("hi")
            server.prints("receive ran")
        ran = server.prints("disconnect ran", 3)
        print("receive ran, disconnect", "ran too" if ran else "did not")
