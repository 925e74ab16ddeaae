"""Daphne and Granian do not end at SIGTERM while a sync consumer has a reply to send.

Prints: 4 seconds after SIGTERM: daphne still there, granian still there
Seen with: daphne 4.2.3, granian 2.8.7, channels 4.3.2, asgiref 3.13.0
Cause: the event loop has ended. `send` waits for it in the consumer's thread, and Python waits for
    that thread. It happens often if a client sends much, reads nothing and leaves: the consumer
    still answers what Daphne has kept.
Workaround: routing/ending.py; with routing/backpressure.py there is less to answer
"""

import subprocess
import time

from channels.generic.websocket import WebsocketConsumer
from django.conf import settings
from serving import serving
from websockets.sync.client import connect

settings.configure()
SECONDS = 4


class Consumer(WebsocketConsumer):
    def receive(self, text_data):
        print("at work", flush=True)
        time.sleep(0.5)
        self.send(text_data)


application = Consumer.as_asgi()


def state_after_sigterm(name: str) -> str:
    with serving(name) as server, connect(server.url, close_timeout=0) as client:
        client.send("hi")
        server.prints("at work")
        server.process.terminate()
        try:
            server.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            return "still there"
        return "ended"


if __name__ == "__main__":
    found = [f"{name} {state_after_sigterm(name)}" for name in ("daphne", "granian")]
    print(f"{SECONDS} seconds after SIGTERM:", ", ".join(found))
