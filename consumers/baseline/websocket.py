"""The contract in a bare ASGI callable: what a WebSocket echo costs without any consumer."""

from asyncio import sleep
from typing import Any

from django.conf import settings

from consumers import connection_log
from consumers.contract import answer, decode, encode


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    while True:
        event = await receive()
        match event["type"]:
            case "websocket.connect":
                connection_log.connected(scope)
                await send({"type": "websocket.accept"})
            case "websocket.receive":
                connection_log.received(scope)
                request = decode(event.get("text") or event.get("bytes") or b"", settings.LIMITS)
                if request.delay:
                    await sleep(request.delay)
                await send({"type": "websocket.send", "text": encode(answer(request))})
            case "websocket.disconnect":
                connection_log.disconnected(scope, event["code"])
                return
