"""Hypercorn reports 1006 to the application, whatever code the client closes with.

Prints: closed with 4000, reported 1006
Seen with: hypercorn 0.18.0
Cause: the client's close does not change the state of the stream, so its end looks like a lost
    connection.
Workaround: none; `compare` declares the difference
Reported: https://github.com/pgjones/hypercorn/issues/127
"""

from serving import serving
from websockets.sync.client import connect


async def application(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    print("reported", (await receive())["code"], flush=True)


if __name__ == "__main__":
    with serving("hypercorn") as server:
        with connect(server.url) as client:
            client.close(4000)
        server.prints("reported")
        print("closed with 4000,", server.log().splitlines()[-1])
