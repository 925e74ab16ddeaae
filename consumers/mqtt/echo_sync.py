"""The sync consumer of a topic: it takes the events of a protocol that is not the web's."""

from time import sleep
from typing import Any

from channels.consumer import SyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

from consumers import connection_log
from consumers.contract import decode
from consumers.mqtt.replies import reply
from consumers.tuned.mixins import ThreadPoolDispatchMixin


class EchoConsumer(ThreadPoolDispatchMixin, SyncConsumer):
    def mqtt_connect(self, _event: Any) -> None:
        connection_log.connected(self.scope)

    def mqtt_msg(self, event: Any) -> None:
        connection_log.received(self.scope)
        request = decode(event["mqtt"]["payload"], settings.LIMITS)
        if request.delay:
            sleep(request.delay)
        self.send(reply(self.scope, event["mqtt"], request))

    def mqtt_disconnect(self, _event: Any) -> None:
        connection_log.disconnected(self.scope)
        raise StopConsumer
