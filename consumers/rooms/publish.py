"""How a message of a member, a bot or a device reaches a room."""

from asyncio import timeout
from typing import Any

from channels.layers import get_channel_layer

from consumers.bot.handover import hand_over
from consumers.channel_layer import LAYER_SECONDS
from consumers.contract import Request, answer, encode

GROUP_PREFIX = "room."


async def publish(room: str, request: Request, *, by: str = "") -> None:
    """Send a request to all members of a room. Raises what ``LAYER_ERRORS`` has.

    ``by`` is the channel of a member that is not to be given its own message.

    The encoded reply is sent, so that all members get the same bytes and any channel layer can
    carry it: MessagePack, the format of the Redis layers, has no integers over 64 bits.
    """
    layer: Any = get_channel_layer("rooms")
    event = {"type": "room.message", "text": encode(answer(request))}
    if by:
        event["by"] = by
    async with timeout(LAYER_SECONDS):
        await layer.group_send(GROUP_PREFIX + room, event)
    await hand_over(room, request.message)
