"""Daphne cannot close with 1012, Service Restart, or 1013, Try Again Later.

Prints: raised: invalid close code 1013 (must be 1000 or from [3000, 4999])
Seen with: daphne 4.2.3, autobahn 26.10.2
Cause: Autobahn lets an application send only the codes that a browser may send.
Workaround: consumers/unavailable.py and routing/ending.py send 4013 and 4012 instead
Reported: https://github.com/django/daphne/issues/374
"""

from serving import handshake, serving


async def application(scope, receive, send):
    await send({"type": "websocket.accept"})
    try:
        await send({"type": "websocket.close", "code": 1013})
    except Exception as error:
        print("raised:", error, flush=True)


if __name__ == "__main__":
    with serving("daphne") as server, server.plain(handshake()):
        server.prints("raised:", 10)
        print(server.log().splitlines()[-1])
