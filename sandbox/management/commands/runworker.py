"""Channels' runworker, but it tries again after an error of its channel layer."""

import asyncio
import logging
import warnings
from argparse import ArgumentParser
from typing import Any

from channels.management.commands import runworker
from channels.worker import Worker
from django.conf import settings
from django.core.management import CommandError

from consumers.catalogue import BOTS, WORKERS
from consumers.channel_layer import LAYER_ERRORS

logger = logging.getLogger("django.channels.worker")


MOST_WAITING = 5
"""Messages of a channel that wait for its consumer in this process; others wait in the layer, where
they expire: a request that its client has given up costs the next ones no time."""


class RetryingWorker(Worker):
    async def listener(self, channel: str) -> None:
        """Channels' own ends with the first error, and takes all that comes into memory."""
        while True:
            try:
                message = await self.channel_layer.receive(channel)
            except LAYER_ERRORS as error:
                if (task := asyncio.current_task()) and task.cancelling():
                    return  # redis-py can raise an error of its own where it is cancelled
                logger.warning("%s: no channel layer, trying again: %s", channel, error)
                await asyncio.sleep(1)
                continue
            while self._queue(channel).qsize() >= MOST_WAITING:  # noqa: ASYNC110 # no event of asgiref's
                await asyncio.sleep(0.005)
            self._queue(channel).put_nowait(message)

    def _queue(self, channel: str) -> asyncio.Queue[Any]:
        """The queue of a channel's consumer, which is a new one if the last has failed."""
        scope = {"type": "channel", "channel": channel}
        queue: asyncio.Queue[Any] = self.get_or_create_application_instance(channel, scope)  # type: ignore[no-untyped-call] # asgiref's has no types
        return queue


class Command(runworker.Command):
    """Listen to channels, until interrupted."""

    worker_class = RetryingWorker

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(layer="workers")

    def handle(self, *args: Any, **options: Any) -> None:
        channels = options["channels"]
        if unknown := set(channels) - set(known := [*WORKERS, *BOTS]):
            names = ", ".join(sorted(unknown))
            raise CommandError(f"There is no worker {names}: choose from {', '.join(known)}.")
        if not settings.REDIS_URL:
            raise CommandError(
                "The in-memory channel layer reaches no other process: set REDIS_URL, such as "
                "redis://127.0.0.1:6379/0, for the server and for this command."
            )
        # The stock worker passes a lambda to its sync consumers, of which asgiref warns.
        warnings.filterwarnings("ignore", "async_to_sync was passed a non-async-marked callable")
        self.stdout.write(f"Listening to {', '.join(channels)}. Quit with CONTROL-C.")
        super().handle(*args, **options)
