"""Bare ASGI consumers, each with one fault; and an echo of Starlette."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

Answer = Callable[[str, Any], Awaitable[None]]


def _application(answer: Answer) -> Any:
    """Make an ASGI application that passes each text, and a way to reply."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return

        async def reply(text: str) -> None:
            await send({"type": "websocket.send", "text": text})

        while (event := await receive())["type"] != "websocket.disconnect":
            if event["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
            else:
                await answer(event.get("text") or "", reply)

    return application


async def _die(text: str, reply: Any) -> None:
    await reply(json.dumps({"message": json.loads(text)["message"]}))


async def _ignore(text: str, reply: Any) -> None:
    if text == "ping":
        await reply("pong")


async def _block(text: str, reply: Any) -> None:
    if text.startswith("sleep"):
        time.sleep(0.7)  # noqa: ASYNC251 # that is its fault
    await reply(text)


async def _overtake(text: str, reply: Any) -> None:
    async def later() -> None:
        await asyncio.sleep(0.05 if text.endswith(("0n", "2n", "4n", "6n", "8n")) else 0)
        await reply(text)

    _tasks.add(asyncio.create_task(later()))


async def _exit(text: str, reply: Any) -> None:
    if text == "null" or len(text) > 600_000:
        os._exit(1)
    await reply(text)


_tasks: set[Any] = set()

dies = _application(_die)
silent = _application(_ignore)
blocks = _application(_block)
overtakes = _application(_overtake)
exits = _application(_exit)


class Echo(WebSocketEndpoint):
    encoding = "text"

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await websocket.send_text(data)


starlette = Starlette(routes=[WebSocketRoute("/echo", Echo)])
