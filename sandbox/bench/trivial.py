"""``python -m sandbox.bench.trivial``: two echo servers that do next to nothing.

What the client reaches against them is its own ceiling. They print their URLs.
"""

import asyncio
from typing import cast

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server


class WebSocketEcho(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


class HttpEcho(asyncio.Protocol):
    """Takes what one read brings for one request: enough for a short one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        body = data.partition(b"\r\n\r\n")[2]
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def main() -> None:
    loop = asyncio.get_running_loop()
    websocket = await ws_create_server(lambda _request: WebSocketEcho(), "127.0.0.1", 0)
    http = await loop.create_server(HttpEcho, "127.0.0.1", 0)
    for scheme, server in (("ws", websocket), ("http", http)):
        print(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)  # noqa: T201 # the run reads them
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
