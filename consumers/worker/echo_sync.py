"""The sync consumer behind a channel name: it echoes for connections in other processes."""

from time import sleep
from typing import Any

from asgiref.sync import async_to_sync
from channels.consumer import SyncConsumer

from consumers.worker.work import reply


class EchoWorker(SyncConsumer):
    channel_layer_alias = "none"  # the worker listens for it, and it replies on another's channel

    def echo_request(self, event: Any) -> None:
        if event["delay"]:
            sleep(event["delay"])
        async_to_sync(reply)(event)
