"""Daphne answers 500 to a subprotocol that is not ASCII, with a traceback in its log.

Prints: HTTP/1.1 500, UnicodeDecodeError
Seen with: daphne 4.2.3
Cause: it decodes the header as ASCII, and does not catch the exception.
Workaround: none: the client gets no connection either way
Reported: https://github.com/django/daphne/pull/565
"""

import re

from serving import handshake, serving


async def application(scope, receive, send):
    await send({"type": "websocket.close"})


if __name__ == "__main__":
    with serving("daphne") as server:
        with server.plain(handshake("Sec-WebSocket-Protocol: é")) as client:
            status = client.recv(1000).decode()[:12]
        server.prints("Error", 10)
        print(status, *re.findall(r"\w+Error", server.log())[-1:], sep=", ")
