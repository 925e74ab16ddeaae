"""The same echo in Starlette and in FastAPI: what one might take instead of Channels.

Served as ``sandbox.bench.peers:application`` by the same server, under ``/<peer>/<protocol>/``.
"""

import gc
from asyncio import sleep

from fastapi import FastAPI, WebSocket
from fastapi import Request as FastapiRequest
from fastapi import Response as FastapiResponse
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute

from consumers import connection_log
from consumers.contract import Limits, answer, decode, encode
from consumers.contract_http import decode_http, encode_http

LIMITS = Limits()
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class StarletteWebSocket(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept()

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        connection_log.received(websocket.scope)
        request = decode(data, LIMITS)
        if request.delay:
            await sleep(request.delay)
        await websocket.send_text(encode(answer(request)))


async def starlette_http(request: Request) -> Response:
    connection_log.received(request.scope)
    asked = decode_http(request.method, b"", await request.body(), LIMITS)
    if asked.delay:
        await sleep(asked.delay)
    reply = encode_http(request.method, asked)
    return Response(reply.body, reply.status, HEADERS, media_type="application/json")


starlette = Starlette(
    routes=[
        WebSocketRoute("/websocket/", StarletteWebSocket),
        Route("/http/", starlette_http, methods=["POST"]),
    ]
)
fastapi = FastAPI()


@fastapi.websocket("/websocket/")
async def fastapi_websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    async for data in websocket.iter_text():
        connection_log.received(websocket.scope)
        request = decode(data, LIMITS)
        if request.delay:
            await sleep(request.delay)
        await websocket.send_text(encode(answer(request)))


@fastapi.post("/http/")
async def fastapi_http(request: FastapiRequest) -> FastapiResponse:
    connection_log.received(request.scope)
    asked = decode_http(request.method, b"", await request.body(), LIMITS)
    if asked.delay:
        await sleep(asked.delay)
    reply = encode_http(request.method, asked)
    return FastapiResponse(reply.body, reply.status, HEADERS, media_type="application/json")


application = Starlette(routes=[Mount("/starlette", app=starlette), Mount("/fastapi", app=fastapi)])
gc.collect()
gc.freeze()  # as in sandbox/asgi.py
