"""The JSON consumers of Channels end the connection at a binary message, and at an empty one.

Prints: ValueError: No text section for incoming WebSocket frame!
Seen with: channels 4.3.2
Cause: `receive` raises if the text is missing or empty.
Workaround: consumers/echo/json_websocket.py overrides `receive`
"""

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from serving import serving
from websockets.sync.client import connect

settings.configure()


class Echo(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        await self.send_json(content)


application = Echo.as_asgi()

if __name__ == "__main__":
    with serving("uvicorn") as server, connect(server.url) as client:
        client.send(b"{}")
        server.prints("Error:", 10)
        print(server.log().rstrip().splitlines()[-1])
