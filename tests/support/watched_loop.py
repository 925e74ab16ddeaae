"""The protocol server on an event loop of which each callback is measured.

``python -m tests.support.watched_loop URL`` serves until SIGTERM, then prints what it saw as JSON.
What runs on it is the server, the router and a bare ASGI application: a consumer of Channels has a
thread look after database connections before each message, for which the event loop may have to
wait at any time.
"""

import asyncio
import json
import resource
import signal
import sys
from collections.abc import Callable
from time import monotonic, thread_time
from typing import Any

from consumers.catalogue import DEVICES
from consumers.contract import Limits, decode
from consumers.mqtt.replies import reply
from routing.topics import TopicRouter, topic
from sandbox.mqtt.server import Server
from sandbox.mqtt.url import read_url

SECONDS = 0.005
"""No callback may keep the event loop for longer."""


class Watch:
    """Measures the callbacks of the event loop in this thread.

    Another program may stop this one at any time, so it is not the clock that counts: a callback is
    too long if it computes for too long, or if it takes too long and has waited for something.
    """

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        """The most processor time of a callback, in seconds."""
        self.too_long: list[str] = []
        self._run = asyncio.Handle._run  # noqa: SLF001 # the one place where all callbacks pass

    def start(self) -> None:
        watch, run = self, self._run

        def _run(handle: asyncio.Handle) -> None:
            waits, began, cpu = _waits(), monotonic(), thread_time()
            run(handle)
            cpu, took, waited = thread_time() - cpu, monotonic() - began, _waits() - waits
            watch.count += 1
            watch.longest = max(watch.longest, cpu)
            if cpu > SECONDS or (took > SECONDS and waited):
                watch.too_long.append(f"{handle!r} took {took:.4f} s, {cpu:.4f} s of the processor")

        asyncio.Handle._run = _run  # type: ignore[assignment, method-assign] # noqa: SLF001 # see above


def _waits() -> int:
    """How often this thread has waited for something: input, a lock, or time."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """The contract without a consumer, and without delays."""
    while (event := await receive())["type"] != "mqtt.disconnect":
        if event["type"] == "mqtt.msg":
            request = decode(event["mqtt"]["payload"], Limits())
            await send(reply(scope, event["mqtt"], request))


async def serve(url: str, watch: Watch) -> None:
    application = TopicRouter([topic(device.topic, echo) for device in DEVICES])
    server = Server(application, read_url(url), "watched")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.end)
    watch.start()
    await server.run()


def main(serving: Callable[[str, Watch], Any]) -> None:
    watch = Watch()
    asyncio.run(serving(sys.argv[1], watch))
    json.dump(
        {"count": watch.count, "longest": watch.longest, "too_long": watch.too_long}, sys.stdout
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main(serve)
