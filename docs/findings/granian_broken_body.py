"""Granian answers 500 to a request body that is not complete or not valid.

Prints: HTTP/1.1 500 Internal Server Error
Seen with: granian 2.8.7
Cause: `receive` gives `http.disconnect`. The application then sends no response, and Granian
    answers 500. The other servers answer 400 or close the connection.
Workaround: nginx, which passes on no broken body
"""

from serving import serving

BAD_CHUNK = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n"


async def application(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


if __name__ == "__main__":
    with serving("granian") as server, server.plain(BAD_CHUNK) as client:
        print(client.recv(1000).decode().splitlines()[0])
