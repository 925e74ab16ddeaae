"""The sync bot: a consumer without a client, behind a channel name, run by ``runworker``."""

from typing import Any

from asgiref.sync import async_to_sync
from channels.consumer import SyncConsumer
from django.core.cache import cache

from consumers import connection_log
from consumers.bot.handover import CLAIM_SECONDS, answer, claim
from consumers.bot.models import Invitation
from consumers.channel_layer import LAYER_ERRORS
from consumers.outage import UnavailableError, reading
from consumers.rooms.publish import publish


class Bot(SyncConsumer):
    def bot_command(self, event: Any) -> None:
        bot, room = self.scope["channel"], event["room"]
        try:
            with reading.watch():
                is_invited = Invitation.objects.filter(room=room, bot=bot).exists()
            if is_invited and cache.add(claim(bot, event), "", CLAIM_SECONDS):
                async_to_sync(publish)(room, answer(bot, event))
        except (UnavailableError, *LAYER_ERRORS) as error:
            connection_log.undelivered(bot, error)
