"""Uvicorn raises RuntimeError from ``send`` after it has closed a connection by itself.

Prints: RuntimeError: Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.
Seen with: uvicorn 0.54.0
Cause: after an invalid frame, Uvicorn's state is the same as after the application's own close.
    For a closed connection the ASGI specification wants OSError.
Workaround: routing/ending.py
"""

from serving import handshake, serving

RESERVED_OPCODE = b"\x83\x80\0\0\0\0"


async def application(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    try:
        while True:
            await send({"type": "websocket.send", "text": (await receive())["type"]})
    except Exception as error:
        print(f"raised {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    with serving("uvicorn") as server, server.plain(handshake()) as client:
        client.recv(1000)
        client.sendall(RESERVED_OPCODE)
        server.prints("raised", 10)
        print(server.log().partition("raised ")[2].splitlines()[0])
