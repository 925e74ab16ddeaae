"""Hypercorn never ends an application whose client sends before its handshake is answered.

Prints: HTTP/1.1 400, disconnect: False
Seen with: hypercorn 0.18.0
Cause: it answers 400 to the early bytes, but the application is connected already and gets no
    more events.
Workaround: routing/hypercorn.py; nginx, which holds such bytes back
Reported: https://github.com/davidbrochart/anycorn/pull/69
"""

from serving import handshake, serving

EMPTY_TEXT = b"\x81\x80\0\0\0\0"


async def application(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        print("application got", (await receive())["type"], flush=True)


if __name__ == "__main__":
    with serving("hypercorn") as server:
        with server.plain(handshake() + EMPTY_TEXT) as client:
            status = client.recv(1000).decode()[:12]
        print(f"{status}, disconnect: {server.prints('websocket.disconnect', 2)}")
