"""The async worker: a consumer that a channel name reaches, run by ``runworker``."""

from asyncio import sleep
from typing import Any

from channels.consumer import AsyncConsumer

from consumers.worker.worker_client import send_reply


class EchoWorker(AsyncConsumer):
    async def echo_request(self, event: Any) -> None:
        if event["delay"]:
            await sleep(event["delay"])
        await send_reply(event)
