"""Daphne never sends an empty message.

Prints: sent '' and 'a', received 'a'
Seen with: daphne 4.2.3
Cause: it tests the text and the bytes for truth, and an empty value is false.
Workaround: the replies of the contract are never empty; `mirror` declares the difference.
"""

from serving import serving
from websockets.sync.client import connect


async def application(scope, receive, send):
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": ""})
    await send({"type": "websocket.send", "text": "a"})
    await receive()
    await receive()


if __name__ == "__main__":
    with serving("daphne") as server, connect(server.url) as client:
        print("sent '' and 'a', received", repr(client.recv()))
