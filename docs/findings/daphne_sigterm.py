"""At SIGTERM Daphne drops its connections: clients get no close frame, applications no disconnect.

Prints: ConnectionClosedError: no close frame received or sent; disconnect: False
Seen with: daphne 4.2.3
Cause: before it shuts down it cancels all applications.
Workaround: routing/ending.py
Reported: https://github.com/django/daphne/issues/38
"""

from serving import serving
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


async def application(scope, receive, send):
    await send({"type": "websocket.accept"})
    while True:
        print((await receive())["type"], flush=True)


if __name__ == "__main__":
    with serving("daphne") as server, connect(server.url) as client:
        server.process.terminate()
        try:
            client.recv(10)
        except ConnectionClosed as error:
            server.process.wait(10)
            left = "websocket.disconnect" in server.log()
            print(f"{type(error).__name__}: {error}; disconnect: {left}")
