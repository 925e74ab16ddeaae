"""What all consumer types do in the same way as a member of a room."""

from asyncio import timeout
from contextlib import suppress
from typing import Any

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from consumers.channel_layer import LAYER_ERRORS, LAYER_SECONDS, UNAVAILABLE
from consumers.contract import Error, Request
from consumers.rooms.publish import GROUP_PREFIX, publish
from consumers.unavailable import close_unavailable


class Member(AsyncConsumer):
    """A mixin for any consumer type: it joins a room, publishes to it and leaves it.

    Channels asks the channel layer for a channel before ``connect``, and receives from it for the
    life of the consumer. When either fails, the consumer could no longer receive, so the connection
    is closed. Members do not leave in ``disconnect``, because Channels does not call it after an
    exception (github.com/django/channels/issues/1466).
    """

    channel_layer_alias = "rooms"
    announced = False
    """Whether the connection log has its connect."""
    joined = False
    group_prefix = GROUP_PREFIX

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.group = self.group_prefix + scope["url_route"]["kwargs"]["room"]
        try:
            await super().__call__(scope, receive, send)
        except LAYER_ERRORS:
            await self.close_unavailable(send)
            if self.announced:
                with suppress(StopConsumer):
                    await self.dispatch({"type": f"{scope['type']}.disconnect", "code": 1013})
        finally:
            if self.joined:
                await self.leave()

    async def join(self) -> None:
        self.announced = True
        async with timeout(LAYER_SECONDS):
            await self.channel_layer.group_add(self.group, self.channel_name)
        self.joined = True

    async def leave(self) -> None:
        with suppress(*LAYER_ERRORS):
            async with timeout(LAYER_SECONDS):
                await self.channel_layer.group_discard(self.group, self.channel_name)

    async def publish(self, request: Request | Error) -> Request | Error:
        """Send a good request to all members; return it, or the Error to answer its sender with."""
        if isinstance(request, Error):
            return request
        try:
            await publish(self.scope["url_route"]["kwargs"]["room"], request)
        except LAYER_ERRORS:
            return UNAVAILABLE
        return request

    async def close_unavailable(self, send: Any) -> None:
        await close_unavailable(send, UNAVAILABLE, is_accepted=self.joined)
