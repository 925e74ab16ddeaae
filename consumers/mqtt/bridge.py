"""The bridge between a topic and a room: what is published on the one is heard on the other."""

from asyncio import sleep, timeout
from contextlib import suppress
from typing import Any

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

from consumers import connection_log
from consumers.channel_layer import LAYER_ERRORS, LAYER_SECONDS, UNAVAILABLE
from consumers.contract import Error, Request, answer, decode, encode
from consumers.mqtt.replies import BUSY
from consumers.rooms.publish import GROUP_PREFIX, publish

FROM_A_ROOM = {"from": "room"}
"""The user property of what comes from a room: no bridge brings it to a room again."""
PAUSE = 1.0
"""Seconds between two attempts to join the room."""


class Bridge(AsyncConsumer):
    """One member of a room, for all devices.

    Nothing comes back. An event of the room says who has published it: what the bridge itself has
    published is not sent to the broker. The broker does not send the bridge its own messages,
    because its subscription has the option "no local". A user property marks these messages, so
    that another bridge does not bring them to a room.
    """

    channel_layer_alias = "rooms"
    joined = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Join before the first event is taken, and try again while the layer does not answer."""
        self.topic = scope["topic"]
        self.room = self.topic.rpartition("/")[2]

        async def join_and_receive() -> Any:
            if not self.joined:
                async with timeout(LAYER_SECONDS):
                    await self.channel_layer.group_add(GROUP_PREFIX + self.room, self.channel_name)
                self.joined = True
            return await receive()

        waits = False
        while True:
            try:
                return await super().__call__(scope, join_and_receive, send)
            except LAYER_ERRORS as error:
                if self.joined or not waits:
                    connection_log.waits(self.topic, error)
                waits = True
                await sleep(PAUSE)
            finally:
                if self.joined:
                    await self.leave()

    async def leave(self) -> None:
        self.joined = False
        with suppress(*LAYER_ERRORS):
            async with timeout(LAYER_SECONDS):
                await self.channel_layer.group_discard(GROUP_PREFIX + self.room, self.channel_name)

    async def mqtt_connect(self, _event: Any) -> None:
        connection_log.connected(self.scope)

    async def mqtt_msg(self, event: Any) -> None:
        connection_log.received(self.scope)
        message = event["mqtt"]
        if FROM_A_ROOM.items() <= message.get("user_properties", {}).items():
            return
        if error := await self.publish(decode(message["payload"], settings.LIMITS)):
            await self.send(refusal(self.scope, message, error))

    async def publish(self, request: Request | Error) -> Error | None:
        """Publish what a device has sent. It does not wait a ``delay``: others come after it."""
        if isinstance(request, Error):
            return request
        try:
            await publish(self.room, request, by=self.channel_name)
        except LAYER_ERRORS:
            return UNAVAILABLE
        return None

    async def room_message(self, event: Any) -> None:
        """Publish what a member has sent. A device has it at the QoS of its own subscription."""
        if event.get("by") != self.channel_name:
            published = publication(self.topic, event["text"], qos=1)
            published["mqtt"]["user_properties"] = FROM_A_ROOM
            await self.send(published)

    async def mqtt_disconnect(self, _event: Any) -> None:
        connection_log.disconnected(self.scope)
        raise StopConsumer


def refusal(scope: Any, message: Any, error: Error) -> Any:
    """The event that publishes what is wrong with a message, on a topic next to the room's."""
    return publication(f"{scope['topic']}/error", encode(answer(error)), message["qos"])


def busy(scope: Any, message: Any) -> Any:
    """The refusal of a message for which there is no room."""
    return refusal(scope, message, BUSY)


def publication(topic: str, text: str, qos: int) -> Any:
    content = {"topic": topic, "payload": text.encode(), "qos": qos, "retain": False}
    return {"type": "mqtt.pub", "mqtt": content}
