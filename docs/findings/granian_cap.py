r"""At a message over its cap Granian closes without a code; the code of RFC 6455 is 1009.

Prints: closed by the frame b'\x88\x00'
Seen with: granian 2.8.7
Cause: it ends the connection as after any other error. No option changes the cap of 16 MiB.
Workaround: none; `compare` declares the difference
"""

from serving import handshake, serving

OVER_16_MIB = b"\x82\xff" + (2**24 + 1).to_bytes(8, "big") + bytes(4)


async def application(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await receive()


if __name__ == "__main__":
    with serving("granian") as server, server.plain(handshake()) as client:
        client.recv(1000)
        client.sendall(OVER_16_MIB)
        print("closed by the frame", client.recv(1000))
