"""The contract in a bare ASGI callable: what a WebSocket echo costs without any consumer."""

from asyncio import sleep
from typing import Any

from django.conf import settings

from consumers import journal
from consumers.contract import answer, decode, encode


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    while True:
        event = await receive()
        match event["type"]:
            case "websocket.connect":
                journal.connected(scope)
                await send({"type": "websocket.accept"})
            case "websocket.receive":
                journal.received(scope)
                request = decode(event.get("text") or event.get("bytes") or b"", settings.LIMITS)
                if request.delay:
                    await sleep(request.delay)
                await send({"type": "websocket.send", "text": encode(answer(request))})
            case "websocket.disconnect":
                journal.disconnected(scope, event["code"])
                return
