"""A TCP server of the tests, which does to its clients what a handler says."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from ssl import SSLContext
from threading import Thread
from typing import TypeVar

Handler = Callable[[StreamReader, StreamWriter], Awaitable[None]]
T = TypeVar("T")


@asynccontextmanager
async def tcp_server(handler: Handler, tls: SSLContext | None = None) -> AsyncIterator[int]:
    """Handle connections to a port, which is yielded, until the block ends and they all with it."""
    connections: dict[asyncio.Task[None] | None, StreamWriter] = {}

    async def handle(reader: StreamReader, writer: StreamWriter) -> None:
        connections[asyncio.current_task()] = writer
        await handler(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task, writer in connections.items():
            writer.transport.abort()
            if task:
                await asyncio.wait((task,))


@contextmanager
def in_a_thread(entered: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter it in an event loop in a thread, for tests that are synchronous."""
    with asyncio.Runner() as runner:
        value = runner.run(entered.__aenter__())
        thread = Thread(target=runner.get_loop().run_forever)
        thread.start()
        try:
            yield value
        finally:
            runner.get_loop().call_soon_threadsafe(runner.get_loop().stop)
            thread.join()
            runner.run(entered.__aexit__(None, None, None))
