"""The sync consumer behind a channel name: it echoes for connections in other processes."""

from time import sleep
from typing import Any

from asgiref.sync import async_to_sync
from channels.consumer import SyncConsumer

from consumers.worker.worker_client import reply


class EchoWorker(SyncConsumer):
    def echo_request(self, event: Any) -> None:
        if event["delay"]:
            sleep(event["delay"])
        async_to_sync(reply)(event)
