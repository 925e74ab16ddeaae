"""How a command reaches the bots: over the layer ``workers``, where one worker takes it.

Over the layer ``rooms`` each worker would hear it. Who publishes a command hands it over: whether a
bot is invited there, the bot itself looks up, so other messages cost nothing.
"""

from asyncio import timeout
from secrets import randbelow
from typing import Any
from uuid import uuid4

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.utils import timezone

from consumers import connection_log
from consumers.bot.commands import is_command, reply
from consumers.catalogue import BOTS
from consumers.channel_layer import LAYER_ERRORS, LAYER_SECONDS
from consumers.contract import Request

CLAIM_SECONDS = 300
"""How long a bot remembers that it has answered a command: longer than the layer keeps one."""


async def hand_over(room: str, message: Any) -> None:
    """Hand a command to the bots; log where that fails, for its sender has published it."""
    if not is_command(message):
        return
    layer: Any = get_channel_layer("workers")
    if layer is None or isinstance(layer, InMemoryChannelLayer):
        return  # which reaches no worker
    event = {"type": "bot.command", "room": room, "text": message, "id": uuid4().hex}
    for bot in BOTS:
        try:
            async with timeout(LAYER_SECONDS):
                await layer.send(bot, event)
        except (ChannelFull, *LAYER_ERRORS) as error:
            connection_log.undelivered(bot, error)


def claim(bot: str, event: Any) -> str:
    """The key under which a worker claims a command, before it answers.

    The core layer gives a message to a second worker when that one asks while the first has not
    yet said that it has it (github.com/django/channels_redis/issues/163).
    """
    return f"{bot}.{event['id']}"


def answer(bot: str, event: Any) -> Request:
    """What the bot publishes. It is an object that names the bot, so that no bot answers it."""
    text = reply(event["text"], timezone.now(), lambda sides: 1 + randbelow(sides))
    return Request({"bot": bot, "text": text})
