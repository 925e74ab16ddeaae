"""The async consumer behind a channel name: it echoes for connections in other processes."""

from asyncio import sleep
from typing import Any

from channels.consumer import AsyncConsumer

from consumers.worker.worker_client import reply


class EchoWorker(AsyncConsumer):
    async def echo_request(self, event: Any) -> None:
        if event["delay"]:
            await sleep(event["delay"])
        await reply(event)
