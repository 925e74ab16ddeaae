"""The sync worker: a consumer that a channel name reaches, run by ``runworker``."""

from time import sleep
from typing import Any

from asgiref.sync import async_to_sync
from channels.consumer import SyncConsumer

from consumers.worker.worker_client import send_reply


class EchoWorker(SyncConsumer):
    def echo_request(self, event: Any) -> None:
        if event["delay"]:
            sleep(event["delay"])
        async_to_sync(send_reply)(event)
