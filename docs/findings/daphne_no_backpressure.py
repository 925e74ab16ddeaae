"""Daphne keeps in memory what a client does not read, without a limit.

Prints: sent 100 of 100 MB to a client that reads nothing
Seen with: daphne 4.2.3
Cause: `send` returns at once, however much waits to be written.
Workaround: routing/backpressure.py
Reported: https://github.com/django/daphne/issues/170
"""

from serving import handshake, serving


async def application(scope, receive, send):
    await send({"type": "websocket.accept"})
    for number in range(1, 101):
        await send({"type": "websocket.send", "bytes": bytes(1_000_000)})
        print(f"sent {number} of 100 MB", flush=True)
    await receive()
    await receive()


if __name__ == "__main__":
    with serving("daphne") as server, server.plain(handshake()):
        server.prints("sent 100 of", 10)
        print(server.log().splitlines()[-1], "to a client that reads nothing")
