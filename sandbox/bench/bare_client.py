"""``python -m sandbox.bench.bare_client``: what two clients of a broker can do without a consumer.

It answers each device with what that has sent, unread, at its QoS, through the broker of MQTT_URL.
"""

import asyncio
import os
from dataclasses import replace
from typing import cast

from consumers.mqtt.replies import reply_topic
from sandbox.mqtt import packets
from sandbox.mqtt.packets import V5
from sandbox.mqtt.url import read_url

TOPICS = "sandbox/+/+/request"
LARGEST = 1 << 20
"""Bytes of a packet."""


class BareClient(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = packets.Reader(LARGEST)
        self._id = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            packets.connect(V5, "bare-client", keep_alive=0, clean=True)
            + packets.subscribe(V5, 1, TOPICS, 1)
        )

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        written = []
        for packet in self._reader.packets(len(data)):
            if packet.type == packets.PUBLISH:
                message = packets.read_publish(packet, V5)
                self._id = self._id % packets.LARGEST_ID + 1
                reply = replace(message, topic=reply_topic(message.topic), id=self._id)
                written.append(packets.publish(V5, reply))
                if message.qos:
                    written.append(packets.puback(message.id))
        self._transport.write(b"".join(written))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 # asyncio passes it
        self.lost.set_result(None)


async def main() -> None:
    broker = read_url(os.environ["MQTT_URL"])
    _, client = await asyncio.get_running_loop().create_connection(
        BareClient, broker.host, broker.port
    )
    await client.lost


if __name__ == "__main__":
    asyncio.run(main())
