"""What passes between a connection and a worker.

What travels is the encoded reply: any layer can carry it, whereas MessagePack, the Redis layers'
format, has no integers over 64 bits.
"""

from asyncio import timeout
from contextlib import suppress
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import settings

from consumers import connection_log
from consumers.channel_layer import LAYER_ERRORS, LAYER_SECONDS, UNAVAILABLE
from consumers.contract import Error, Request, answer, encode

COMMAND = "python manage.py runworker echo-sync echo-async"
ELSEWHERE = Error(
    "no_worker",
    f"The in-memory channel layer reaches no other process: set REDIS_URL, and run {COMMAND}.",
)
NOBODY = Error("no_worker", f"No worker has answered in time. Is one running? {COMMAND}")
BUSY = Error("unavailable", "Too many requests wait for this worker: try again in a moment.")


class WorkerClient:
    """Sends the requests of one connection to a worker, and waits for the replies."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.layer: Any = get_channel_layer("workers")
        self.reply_to = ""
        self.number = 0

    async def ask(self, request: Request | Error) -> str:
        """Have a good request answered by the worker; say why if it is not."""
        if isinstance(request, Request):
            try:
                return await self._ask(request)
            except ChannelFull:
                request = BUSY
            except LAYER_ERRORS:
                request = UNAVAILABLE
        return encode(answer(request))

    async def _ask(self, request: Request) -> str:
        if isinstance(self.layer, InMemoryChannelLayer):
            return encode(answer(ELSEWHERE))
        self.number += 1
        async with timeout(LAYER_SECONDS):
            self.reply_to = self.reply_to or await self.layer.new_channel()
            await self.layer.send(
                self.channel,
                {
                    "type": "echo.request",
                    "text": encode(answer(request)),
                    "delay": request.delay,
                    "number": self.number,
                    "reply_to": self.reply_to,
                },
            )
        # The worker's time begins only now: a slow layer is no sign that there is none.
        with suppress(TimeoutError):
            async with timeout(request.delay + settings.WORKER_SECONDS):
                return await self._hear()
        return encode(answer(NOBODY))

    async def _hear(self) -> str:
        while True:
            reply = await self.layer.receive(self.reply_to)
            if reply["number"] == self.number:  # and no late answer to a request given up
                return str(reply["text"])


async def reply(request: Any) -> None:
    """Answer a request on the channel that it names, if anybody can be reached there."""
    answered = {"type": "echo.reply", "text": request["text"], "number": request["number"]}
    try:
        async with timeout(LAYER_SECONDS):
            layer: Any = get_channel_layer("workers")
            await layer.send(request["reply_to"], answered)
    except (ChannelFull, *LAYER_ERRORS) as error:
        connection_log.undelivered(request["reply_to"], error)
