"""The same echo in Starlette, FastAPI and BlackSheep: what one might take instead of Channels.

Each is an application of its own, such as ``sandbox.bench.peers:starlette``, so that nothing stands
in front of it. They write the same lines to the connection log as the consumers do.
"""

import gc
from asyncio import sleep

import blacksheep as sheep
from blacksheep.server.websocket import WebSocketDisconnectError
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from consumers import connection_log
from consumers.contract import Limits, answer, decode, encode
from consumers.contract_http import decode_http, encode_http

LIMITS = Limits()
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class StarletteWebSocket(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket: WebSocket) -> None:
        connection_log.connected(websocket.scope)
        await websocket.accept()

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        connection_log.received(websocket.scope)
        request = decode(data, LIMITS)
        if request.delay:
            await sleep(request.delay)
        await websocket.send_text(encode(answer(request)))

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        connection_log.disconnected(websocket.scope, close_code)


async def starlette_http(request: Request) -> Response:
    connection_log.connected(request.scope)
    body = await request.body()
    connection_log.received(request.scope)
    asked = decode_http(request.scope, body, LIMITS)
    if asked.delay:
        await sleep(asked.delay)
    reply = encode_http(request.method, asked)
    connection_log.disconnected(request.scope)
    return Response(reply.body, reply.status, HEADERS, media_type="application/json")


starlette = Starlette(
    routes=[
        WebSocketRoute("/websocket/", StarletteWebSocket),
        Route("/http/", starlette_http, methods=["POST"]),
    ]
)
fastapi = FastAPI()
fastapi.post("/http/")(starlette_http)


@fastapi.websocket("/websocket/")
async def fastapi_websocket(websocket: WebSocket) -> None:
    connection_log.connected(websocket.scope)
    await websocket.accept()
    try:
        while True:
            data = await websocket.receive_text()
            connection_log.received(websocket.scope)
            request = decode(data, LIMITS)
            if request.delay:
                await sleep(request.delay)
            await websocket.send_text(encode(answer(request)))
    except WebSocketDisconnect as end:
        connection_log.disconnected(websocket.scope, end.code)


blacksheep = sheep.Application(router=sheep.Router())


@blacksheep.router.ws("/websocket/")
async def blacksheep_websocket(websocket: sheep.WebSocket) -> None:
    connection_log.connected(websocket.scope)
    await websocket.accept()
    try:
        while True:
            data = await websocket.receive_text()
            connection_log.received(websocket.scope)
            request = decode(data, LIMITS)
            if request.delay:
                await sleep(request.delay)
            await websocket.send_text(encode(answer(request)))
    except WebSocketDisconnectError as end:
        connection_log.disconnected(websocket.scope, end.code)


@blacksheep.router.post("/http/")
async def blacksheep_http(request: sheep.Request) -> sheep.Response:
    connection_log.connected(request.scope)
    body = await request.read() or b""
    connection_log.received(request.scope)
    asked = decode_http(request.scope, body, LIMITS)
    if asked.delay:
        await sleep(asked.delay)
    reply = encode_http(request.method, asked)
    connection_log.disconnected(request.scope)
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    return sheep.Response(reply.status, headers, sheep.Content(b"application/json", reply.body))


gc.collect()
gc.freeze()  # as in sandbox/asgi.py
