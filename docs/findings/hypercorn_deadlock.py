"""Hypercorn never ends an application whose client sends many messages, reads none and leaves.

Prints: disconnect: False
Seen with: hypercorn 0.18.0
Cause: `send` waits until the end of the connection is in the queue of events. The queue is
    full, and the application takes no event from it before `send` returns.
Workaround: routing/hypercorn.py
"""

import socket
from contextlib import suppress

from serving import handshake, serving

BINARY_60_000 = b"\x82\xfe" + (60_000).to_bytes(2, "big") + bytes(4) + bytes(60_000)


async def application(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": event["bytes"]})
    print(event["type"], flush=True)


if __name__ == "__main__":
    with serving("hypercorn") as server:
        with server.plain(handshake()) as client:
            client.recv(1000)
            client.settimeout(0.5)
            with suppress(socket.timeout):
                while True:
                    client.sendall(BINARY_60_000)
        print("disconnect:", server.prints("websocket.disconnect", 3))
