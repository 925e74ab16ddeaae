"""Uvicorn loses the body of a request that offers to upgrade, and runs it as a further request.

Prints: sent one request, ran POST / and GET /smuggled
Seen with: uvicorn 0.54.0, httptools 0.9.0
Cause: httptools stops reading at an Upgrade; Uvicorn goes on with what follows, as if it were the
    next request.
Workaround: routing/servers.py; `--http h11`; a proxy that passes on an Upgrade to WebSocket only
Reported: https://github.com/Kludex/uvicorn/issues/2722
"""

from serving import serving

BODY = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"


async def application(scope, receive, send):
    print("ran", scope["method"], scope["path"], flush=True)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


if __name__ == "__main__":
    head = HEAD + f"Content-Length: {len(BODY)}\r\n\r\n".encode()
    with serving("uvicorn", "--http", "httptools") as server, server.plain(head) as client:
        client.recv(1000)
        client.sendall(BODY)
        server.prints("ran GET", 5)
        ran = [line[4:] for line in server.log().splitlines() if line.startswith("ran")]
        print("sent one request, ran", " and ".join(ran))
