"""How a connection asks a worker for an echo, and how the worker replies, over the channel layer.

The encoded reply is what is sent, so that any channel layer can carry it: MessagePack, the format
of the Redis layers, has no integers over 64 bits.
"""

from asyncio import Task, create_task, timeout, wait
from time import monotonic
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import settings

from consumers import connection_log
from consumers.channel_layer import LAYER_ERRORS, LAYER_SECONDS, UNAVAILABLE
from consumers.contract import Error, Request, answer, encode

COMMAND = "python manage.py runworker echo-sync echo-async"
IN_MEMORY = Error(
    "no_worker",
    f"The in-memory channel layer reaches no other process: set REDIS_URL, and run {COMMAND}.",
)
NO_REPLY = Error("no_worker", f"No worker has answered in time. Is one running? {COMMAND}")
CHANNEL_FULL = Error(
    "unavailable", "Too many requests wait for this worker: try again in a moment."
)


class WorkerClient:
    """Sends the requests of one connection to a worker, and receives the replies."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.layer: Any = get_channel_layer("workers")
        self.reply_channel = ""
        self.number = 0
        self.reply: Task[Any] | None = None
        """What waits for a reply. It goes on after its time is over, for the next request."""

    async def echo(self, request: Request | Error) -> str:
        """Return the worker's encoded reply to a good request, else an encoded error."""
        if isinstance(request, Request) and isinstance(self.layer, InMemoryChannelLayer):
            request = IN_MEMORY
        if isinstance(request, Error):
            return encode(answer(request))
        if self.reply and self.reply.done():  # a late reply, or an error, of an earlier request
            self.reply = None
        try:
            await self._send(request)
            # A slow channel layer leaves the worker its whole time: the timeout starts only now.
            return await self._receive(request.delay + settings.WORKER_SECONDS)
        except ChannelFull:
            return encode(answer(CHANNEL_FULL))
        except LAYER_ERRORS:
            return encode(answer(UNAVAILABLE))

    async def _send(self, request: Request) -> None:
        self.number += 1
        async with timeout(LAYER_SECONDS):
            self.reply_channel = self.reply_channel or await self.layer.new_channel()
            await self.layer.send(
                self.channel,
                {
                    "type": "echo.request",
                    "text": encode(answer(request)),
                    "delay": request.delay,
                    "number": self.number,
                    "reply_to": self.reply_channel,
                },
            )

    async def _receive(self, seconds: float) -> str:
        deadline = monotonic() + seconds
        while True:
            self.reply = self.reply or create_task(self._next_reply())
            # It is not cancelled: on Python 3.11 redis-py can miss that, and would wait for ever.
            if not (await wait([self.reply], timeout=max(0, deadline - monotonic())))[0]:
                return encode(answer(NO_REPLY))
            reply, self.reply = self.reply.result(), None
            if isinstance(reply, Exception):
                raise reply
            if reply["number"] == self.number:  # not a late reply to an earlier request
                return str(reply["text"])

    async def _next_reply(self) -> Any:
        try:
            return await self.layer.receive(self.reply_channel)
        except LAYER_ERRORS as error:
            return error  # raised, it would be logged where no request waits for it any more

    def close(self) -> None:
        """Wait for no reply any more."""
        if self.reply:
            self.reply.cancel()


async def send_reply(request: Any) -> None:
    """Reply on the channel that the request names; log a reply that cannot be sent."""
    reply = {"type": "echo.reply", "text": request["text"], "number": request["number"]}
    try:
        async with timeout(LAYER_SECONDS):
            layer: Any = get_channel_layer("workers")
            await layer.send(request["reply_to"], reply)
    except (ChannelFull, *LAYER_ERRORS) as error:
        connection_log.undelivered(request["reply_to"], error)
