"""Since Channels 4.2, while a sync consumer blocks, an async consumer waits too.

Prints: the async consumer waited for it
Seen with: channels 4.3.2, asgiref 3.13.0
Cause: before each message it awaits `aclose_old_connections()`, which runs on the one thread of all
    synchronous code.
Workaround: routing/isolation.py; the mixins of consumers/tuned/mixins.py
Reported: https://github.com/django/channels/issues/2132
"""

import time

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.routing import URLRouter
from django.conf import settings
from django.urls import path
from serving import serving
from websockets.sync.client import connect

settings.configure()


class Blocking(WebsocketConsumer):
    def receive(self, text_data):
        print("at work", flush=True)
        time.sleep(1)
        print("done", flush=True)


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data):
        await self.send(text_data)


application = URLRouter([path("blocking", Blocking.as_asgi()), path("", Echo.as_asgi())])

if __name__ == "__main__":
    with serving("uvicorn") as server, connect(f"{server.url}blocking") as blocking:
        with connect(server.url) as echo:
            blocking.send("block")
            server.prints("at work")
            echo.send("hi")
            echo.recv()
            waited = "done" in server.log()
        print("the async consumer", "waited for it" if waited else "did not wait")
