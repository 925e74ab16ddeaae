"""The contract in a bare ASGI callable: what an HTTP echo costs without any consumer."""

from asyncio import sleep
from typing import Any

from django.conf import settings

from consumers import connection_log
from consumers.contract_http import decode_http, encode_http


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    connection_log.connected(scope)
    body, more_body = b"", True
    while more_body and len(body) <= settings.LIMITS.max_message_bytes:
        event = await receive()
        if event["type"] == "http.disconnect":
            connection_log.disconnected(scope)
            return
        body += event.get("body", b"")
        more_body = event.get("more_body", False)
    connection_log.received(scope)
    request = decode_http(scope, body, settings.LIMITS)
    if request.delay:
        await sleep(request.delay)
    reply = encode_http(scope["method"], request)
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})
    connection_log.disconnected(scope)
