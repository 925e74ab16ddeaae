"""The async bot: a consumer without a client, behind a channel name, run by ``runworker``."""

from typing import Any

from channels.consumer import AsyncConsumer
from django.core.cache import cache

from consumers import connection_log
from consumers.bot.handover import CLAIM_SECONDS, answer, claim
from consumers.bot.models import Invitation
from consumers.channel_layer import LAYER_ERRORS
from consumers.outage import UnavailableError, reading
from consumers.rooms.publish import publish


class Bot(AsyncConsumer):
    async def bot_command(self, event: Any) -> None:
        bot, room = self.scope["channel"], event["room"]
        try:
            with reading.watch():
                is_invited = await Invitation.objects.filter(room=room, bot=bot).aexists()
            if is_invited and await cache.aadd(claim(bot, event), "", CLAIM_SECONDS):
                await publish(room, answer(bot, event))
        except (UnavailableError, *LAYER_ERRORS) as error:
            connection_log.undelivered(bot, error)
