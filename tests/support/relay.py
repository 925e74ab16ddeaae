"""A link to a server, such as Redis, that a test can slow down, stall and cut."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLContext
from typing import Self
from urllib.parse import urlsplit


class Relay:
    """Passes on what goes between clients and the server at ``url``, while the block lasts.

    ``delay`` returns how many seconds to keep a chunk; ``lose_answers`` drops what the server
    sends. With ``tls`` clients have to speak TLS; the server gets none.
    """

    def __init__(self, url: str, tls: SSLContext | None = None) -> None:
        server = urlsplit(url)
        self._behind = server.hostname, server.port
        self._tls = tls
        self._writers: set[StreamWriter] = set()
        self._flows = asyncio.Event()
        self.delay: Callable[[bytes], float] = lambda _chunk: 0
        self.lose_answers = False

    async def __aenter__(self) -> Self:
        self.resume()
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.resume()
        while self._writers:
            self.cut()
            await asyncio.sleep(0.01)

    def stall(self) -> None:
        """Pass nothing on, and keep all connections open."""
        self._flows.clear()

    def resume(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._behind)
        except OSError:  # the server is down
            writer.transport.abort()
            return
        pair = {writer, server_writer}
        self._writers |= pair
        await asyncio.gather(
            self._copy(reader, server_writer), self._copy(server_reader, writer, answers=True)
        )
        self._writers -= pair

    async def _copy(
        self, reader: StreamReader, writer: StreamWriter, *, answers: bool = False
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                await asyncio.sleep(self.delay(chunk))
                await self._flows.wait()
                if not (answers and self.lose_answers):
                    writer.write(chunk)
        writer.close()
