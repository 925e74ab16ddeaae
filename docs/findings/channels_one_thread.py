"""A sync consumer that blocks makes every other sync consumer of the process wait.

Prints: the other one waited for it
Seen with: channels 4.3.2, asgiref 3.13.0
Cause: all synchronous code of a process runs on one thread.
Workaround: routing/isolation.py; the mixins of consumers/tuned
"""

import time

from channels.generic.websocket import WebsocketConsumer
from django.conf import settings
from serving import serving
from websockets.sync.client import connect

settings.configure()


class Consumer(WebsocketConsumer):
    def receive(self, text_data):
        print("at work", flush=True)
        time.sleep(float(text_data))
        self.send("done")


application = Consumer.as_asgi()

if __name__ == "__main__":
    with serving("uvicorn") as server, connect(server.url) as slow, connect(server.url) as quick:
        slow.send("2")
        server.prints("at work")
        began = time.monotonic()
        quick.send("0")
        quick.recv()
        print("the other one", "waited for it" if time.monotonic() - began > 1 else "did not wait")
