"""Daphne cancels an application that is still at work 10 seconds after its client has left.

Prints: CancelledError at work, no disconnect
Seen with: daphne 4.2.3
Cause: `--application-close-timeout` (here 1 second, 10 unless set) counts from the end of the
    connection, and a cancelled application receives no more events.
Workaround: docs/deploying.md raises the timeout to 60 seconds
Reported: https://github.com/django/channels/pull/2120
"""

import asyncio

from serving import handshake, serving


async def application(scope, receive, send):
    await send({"type": "websocket.accept"})
    try:
        print("at work", flush=True)
        await asyncio.sleep(20)
        print((await receive())["type"], flush=True)
    except asyncio.CancelledError:
        print("CancelledError at work, no disconnect", flush=True)
        raise


if __name__ == "__main__":
    with serving("daphne", "--application-close-timeout", "1") as server:
        with server.plain(handshake()):
            server.prints("at work")
        server.prints("no disconnect", 15)
        print(server.log().splitlines()[-1])
