"""An ASGI connection in process: no server and no socket, and nothing of Channels' own."""

import asyncio
from asyncio import Queue, Task, create_task, timeout
from typing import Any

from sandbox.asgi import application

TIMEOUT = 30.0
"""Seconds after which a test gives up; only what is broken takes as long."""


class Connection:
    """An ASGI connection, seen from the server's side."""

    def __init__(self, scope: dict[str, Any]) -> None:
        whole: Any = {"headers": [], "query_string": b"", "client": ("127.0.0.1", 1), **scope}
        self.incoming: Queue[Any] = Queue()
        self.outgoing: Queue[Any] = Queue()
        self.task: Task[None] = create_task(
            application(whole, self.incoming.get, self.outgoing.put)
        )

    async def event(self) -> Any:
        """The next event that the application sends; what ends the application is raised."""
        async with timeout(TIMEOUT):
            event = create_task(self.outgoing.get())
            await asyncio.wait([event, self.task], return_when=asyncio.FIRST_COMPLETED)
            if event.done():
                return event.result()
            event.cancel()
            self.task.result()
            return self.outgoing.get_nowait()

    async def end(self, event: Any) -> None:
        """Send the application the event that the client is gone, and wait until it has ended."""
        self.incoming.put_nowait(event)
        async with timeout(TIMEOUT):
            await asyncio.wait([self.task])
