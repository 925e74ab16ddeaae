"""What one client can take from a server: run by hand, for the table in docs/servers.md.

    .venv/bin/python -m tests.processes.exhaustion files daphne

``bomb``: one message of 1 MB that inflates to 1 GiB, if the server grants compression. ``bombs``:
twenty at once that inflate to 15 MiB each.
``dead``: seconds until a client that has stopped is dropped. ``slow``: seconds until a handshake is
ended that has stopped, and one that goes on by a byte a second. ``files``: what a server does with
more clients than it may open files. What lasts longer than ``LIMIT`` seconds counts as never.
"""

import asyncio
import os
import resource
import sys
import time
import zlib
from argparse import ArgumentParser
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from typing import Any

from websockets.frames import Frame, Opcode

from sandbox.processes.servers import Server, installed, serve
from sandbox.wire import http, websocket
from sandbox.wire.stream import Stream, open_stream

LIMIT = 120.0
FILES = 256
PATH = "/echo/async-websocket/"
EXTENSION = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
MIB = 1024 * 1024


def handshake(extra: str = "") -> bytes:
    return (
        f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"{extra}\r\n"
    ).encode()


def memory(server: Server, name: str = "VmRSS") -> int:
    """In MiB; ``VmHWM`` is the most that it was."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) // 1024


async def bomb(server: Server) -> str:
    return await _send_compressed(server, clients=1, mib=1024)


async def bombs(server: Server) -> str:
    return await _send_compressed(server, clients=20, mib=15)


async def _send_compressed(server: Server, *, clients: int, mib: int) -> str:
    before = memory(server)
    zeros, deflate = b"0" * MIB, zlib.compressobj(9, wbits=-15)
    data = b"".join(deflate.compress(zeros) for _ in range(mib))
    data += deflate.flush(zlib.Z_SYNC_FLUSH)[:-4]
    frame = bytearray(Frame(Opcode.TEXT, data).serialize(mask=True))
    frame[0] |= 0x40  # compressed
    waited = asyncio.create_task(_neighbour(server))
    async with AsyncExitStack() as stack:
        for _ in range(clients):
            stream = await stack.enter_async_context(open_stream(server.url, None))
            await stream.write(handshake(EXTENSION))
            if b"permessage-deflate" not in await stream.read():
                waited.cancel()
                return "no compression"
            await stream.write(bytes(frame))
        waiting = await waited
        after = memory(server)
    return (
        f"{clients} times {len(frame) // 1000} kB: +{memory(server, 'VmHWM') - before} MiB at "
        f"most, +{after - before} MiB after it, a neighbour waits {waiting:.1f} s"
    )


async def _neighbour(server: Server) -> float:
    """Return the longest of many waits."""
    longest = 0.0
    async with websocket(server.url + PATH) as client:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            began = time.monotonic()
            await client.send('{"message":1}')
            await client.receive(timeout=60)
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.02)
    return longest


async def dead(server: Server) -> str:
    async with open_stream(server.url, None) as stream:
        await stream.write(handshake())
        await stream.read()
        return f"{await _end(stream)} after the handshake"


async def slow(server: Server) -> str:
    async def stopped() -> str:
        async with open_stream(server.url, None) as stream:
            await stream.write(handshake()[:60])
            return await _end(stream)

    async def dripping() -> str:
        async with open_stream(server.url, None) as stream:
            await stream.write(handshake()[:-2])

            async def drip() -> None:
                await stream.write(b"X-Drip: ")
                while True:
                    await stream.write(b"x")
                    await asyncio.sleep(1)

            task = asyncio.create_task(drip())
            try:
                return await _end(stream)
            finally:
                task.cancel()

    one, other = await asyncio.gather(stopped(), dripping())
    return f"stopped: {one}, dripping: {other}"


async def files(server: Server) -> str:
    async with AsyncExitStack() as stack:
        streams = []
        for _ in range(FILES + 50):
            streams.append(await stack.enter_async_context(open_stream(server.url, None)))
            await streams[-1].write(handshake())
        await asyncio.sleep(10)
    log = server.log_file.stat().st_size
    tracebacks = server.log().count("Traceback")
    try:
        answer = str((await http("HEAD", server.url, timeout=20)).status)
    except (OSError, TimeoutError) as error:
        answer = type(error).__name__
    return f"in 10 s {tracebacks} tracebacks, {log // 1024} KiB of log; afterwards: {answer}"


async def _end(stream: Stream) -> str:
    """Read and answer nothing until the server ends the connection."""
    began = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(LIMIT):
            while await stream.read():
                pass
            return f"{time.monotonic() - began:.0f} s"
    return "never"


MEASUREMENTS: dict[str, Callable[[Server], Coroutine[Any, Any, str]]] = {
    "bomb": bomb,
    "bombs": bombs,
    "dead": dead,
    "slow": slow,
    "files": files,
}


def main(name: str, servers: list[str]) -> None:
    for server in servers or installed():
        with ExitStack() as stack:
            if name == "files":  # the server inherits it
                most = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, most[1]))
                stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, most)
            running = stack.enter_context(
                serve(server, environment={"DEBUG": "1", "DATABASE_URL": f"sqlite://{os.devnull}"})
            )
            if name == "files":
                resource.setrlimit(resource.RLIMIT_NOFILE, most)
            sys.stdout.write(f"{server}: {asyncio.run(MEASUREMENTS[name](running))}\n")


if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m tests.processes.exhaustion", description=__doc__)
    parser.add_argument("row", choices=MEASUREMENTS, help="of the table")
    parser.add_argument("servers", nargs="*", help="all that are installed unless given")
    given = parser.parse_args()
    main(given.row, given.servers)
