"""Channels does not call ``disconnect`` after an exception in a handler, so groups are not left.

Prints: receive ran, disconnect did not
Seen with: channels 4.3.2
Cause: the exception ends the consumer before the disconnect event is dispatched.
Workaround: consumers/rooms/member.py leaves its group in `__call__`; handlers answer bad input and
    raise nothing
Reported: https://github.com/django/channels/issues/1466
"""

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from serving import serving
from websockets.sync.client import connect

settings.configure()


class Consumer(AsyncWebsocketConsumer):
    async def receive(self, text_data):
        print("receive ran", flush=True)
        raise ValueError(text_data)

    async def disconnect(self, code):
        print("disconnect ran", flush=True)


application = Consumer.as_asgi()

if __name__ == "__main__":
    with serving("uvicorn") as server:
        with connect(server.url) as client:
            client.send("hi")
            server.prints("ValueError: hi")
        ran = server.prints("disconnect ran", 1)
        print("receive ran, disconnect", "ran too" if ran else "did not")
