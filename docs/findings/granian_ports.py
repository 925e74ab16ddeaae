"""On Granian a port is a string.

Prints: client port str, server port str
Seen with: granian 2.8.7
Cause: it turns the whole address into text; in the ASGI specification the port is an integer.
Workaround: routing/servers.py
"""

from serving import handshake, serving


async def application(scope, receive, send):
    client, server = (type(scope[end][1]).__name__ for end in ("client", "server"))
    print(f"client port {client}, server port {server}", flush=True)
    await send({"type": "websocket.close"})


if __name__ == "__main__":
    with serving("granian") as server, server.plain(handshake()):
        server.prints("server port")
        print(next(line for line in server.log().splitlines() if "server port" in line))
