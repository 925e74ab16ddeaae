"""``python -m sandbox.bench.trivial``: echo servers that do next to nothing.

What the client reaches against them is its own ceiling. They print their URLs.
"""

import asyncio
from dataclasses import replace
from typing import cast

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from consumers.mqtt.replies import reply_topic
from sandbox.bench.exhibits import MQTT
from sandbox.mqtt import packets
from sandbox.mqtt.packets import V311, Message

LARGEST = 1 << 20
"""Bytes of a packet."""
ACCEPTED = b"\x20\x02\x00\x00"
"""A CONNACK."""


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


class MqttEcho(asyncio.Protocol):
    """A broker and what answers on it in one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._reader = packets.Reader(LARGEST)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        for packet in self._reader.packets(len(data)):
            match packet.type:
                case packets.CONNECT:
                    self._transport.write(ACCEPTED)
                case packets.SUBSCRIBE:
                    self._transport.write(b"\x90\x03" + packet.body[:2] + b"\x01")
                case packets.PUBLISH:
                    self._answer(packets.read_publish(packet, V311))

    def _answer(self, message: Message) -> None:
        if message.qos:
            self._transport.write(packets.puback(message.id))
        self._transport.write(
            packets.publish(V311, replace(message, topic=reply_topic(message.topic)))
        )


async def main() -> None:
    loop = asyncio.get_running_loop()
    websocket = await ws_create_server(lambda _request: WebSocketEcho(), "127.0.0.1", 0)
    http = await loop.create_server(HttpEcho, "127.0.0.1", 0)
    broker = await loop.create_server(MqttEcho, "127.0.0.1", 0)
    for scheme, server in (("ws", websocket), ("http", http), *((one, broker) for one in MQTT)):
        print(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)  # noqa: T201 # the run reads them
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
