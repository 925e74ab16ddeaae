"""Hypercorn compresses for each client that offers it, and has no option to turn that off.

Prints: permessage-deflate
Seen with: hypercorn 0.18.0, wsproto 1.3.2
Cause: it accepts the extension whatever its configuration says; 1 MB from a client can become
    1 GB before its size is checked.
Workaround: routing/hypercorn.py, `without_compression`; nginx, which removes the offer
Reported: https://github.com/pgjones/hypercorn/issues/307
"""

from serving import serving
from websockets.sync.client import connect


async def application(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await receive()


if __name__ == "__main__":
    with serving("hypercorn") as server, connect(server.url) as client:
        names = [extension.name for extension in client.protocol.extensions]
        print(*names or ["no extension"])
