"""What every member of a room does alike, whatever its consumer type."""

from asyncio import timeout
from contextlib import suppress
from typing import Any

from channels.consumer import AsyncConsumer

from consumers.channel_layer import LAYER_ERRORS, LAYER_SECONDS, UNAVAILABLE
from consumers.contract import Error, Request, answer, encode


class Member(AsyncConsumer):
    """Mixed in before a consumer type, it joins a room and publishes to it.

    A consumer that has a channel layer asks it for a channel before ``connect``, and listens there
    for its whole life: when either fails, the member would be dead or deaf, so it is turned away.
    Leaving is not left to ``disconnect``, which Channels does not call after an exception
    (github.com/django/channels/issues/1466): a room keeps no dead member.
    """

    channel_layer_alias = "rooms"
    joined = False
    group_prefix = "room."

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.group = self.group_prefix + scope["url_route"]["kwargs"]["room"]
        try:
            await super().__call__(scope, receive, send)
        except LAYER_ERRORS:
            await self.turn_away(send)
        finally:
            if self.joined:
                await self.leave()

    async def join(self) -> None:
        async with timeout(LAYER_SECONDS):
            await self.channel_layer.group_add(self.group, self.channel_name)
        self.joined = True

    async def leave(self) -> None:
        with suppress(*LAYER_ERRORS):
            async with timeout(LAYER_SECONDS):
                await self.channel_layer.group_discard(self.group, self.channel_name)

    async def publish(self, request: Request | Error) -> Request | Error:
        """Send a good request to everyone in the room; return what its sender is to be told.

        What travels is the encoded reply: every member sends the same bytes, and any layer can
        carry it, whereas MessagePack, the Redis layers' format, has no integers over 64 bits.
        """
        if isinstance(request, Error):
            return request
        event = {"type": "room.message", "text": encode(answer(request))}
        try:
            async with timeout(LAYER_SECONDS):
                await self.channel_layer.group_send(self.group, event)
        except LAYER_ERRORS:
            return UNAVAILABLE
        return request

    async def turn_away(self, send: Any) -> None:
        """Say why and close with 1013, try again later.

        A browser cannot see why a handshake is refused, so it is accepted first. Daphne can send
        no code but 1000 and those from 3000 up, nor a reason.
        """
        if not self.joined:
            await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": encode(answer(UNAVAILABLE))})
        try:
            await send({"type": "websocket.close", "code": 1013, "reason": UNAVAILABLE.detail})
        except Exception:  # noqa: BLE001 # Daphne raises no narrower one
            await send({"type": "websocket.close", "code": 4013})
