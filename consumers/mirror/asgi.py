"""Every message back as it came, in a bare ASGI callable: what a server does by itself."""

from typing import Any

from consumers import connection_log


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    while True:
        event = await receive()
        match event["type"]:
            case "websocket.connect":
                connection_log.connected(scope)
                await send({"type": "websocket.accept"})
            case "websocket.receive":
                connection_log.received(scope)
                await send({**event, "type": "websocket.send"})
            case "websocket.disconnect":
                connection_log.disconnected(scope, event["code"])
                return
