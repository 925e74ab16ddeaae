"""Hypercorn knows only the subprotocols of the last header line.

Prints: offered chat and superchat in two lines, knows ['superchat']
Seen with: hypercorn 0.18.0, wsproto 1.3.2
Cause: the subprotocols of each line replace those of the line before.
Workaround: clients put all subprotocols into one line, as browsers do
Reported: https://github.com/python-hyper/wsproto/issues/175
"""

from serving import handshake, serving


async def application(scope, receive, send):
    print("knows", scope["subprotocols"], flush=True)
    await send({"type": "websocket.close"})


if __name__ == "__main__":
    lines = ("Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: superchat")
    with serving("hypercorn") as server, server.plain(handshake(*lines)):
        server.prints("knows ")
        known = next(line for line in server.log().splitlines() if "knows " in line)
        print("offered chat and superchat in two lines,", known)
