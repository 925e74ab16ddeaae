"""A sync consumer that blocks makes every other sync consumer of the process wait.

Prints: the other one waited for it
Seen with: channels 4.3.2, asgiref 3.13.0
Cause: all synchronous code of a process runs on one thread.
Workaround: routing/isolation.py; the mixins of consumers/tuned/mixins.py
"""

import time

from channels.generic.websocket import WebsocketConsumer
from django.conf import settings
from serving import serving
from websockets.sync.client import connect

settings.configure()


class Consumer(WebsocketConsumer):
    def receive(self, text_data):
        if text_data == "block":
            print("at work", flush=True)
            time.sleep(1)
            print("done", flush=True)
        self.send(text_data)


application = Consumer.as_asgi()

if __name__ == "__main__":
    with serving("uvicorn") as server, connect(server.url) as slow, connect(server.url) as quick:
        slow.send("block")
        server.prints("at work")
        quick.send("hi")
        quick.recv()
        print("the other one", "waited for it" if "done" in server.log() else "did not wait")
