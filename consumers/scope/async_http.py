"""The scope over HTTP: the response to any method."""

from typing import Any

from channels.generic.http import AsyncHttpConsumer

from consumers import connection_log
from consumers.contract import encode
from consumers.contract_http import json_headers
from consumers.scope.description import describe


class ScopeConsumer(AsyncHttpConsumer):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        connection_log.connected(scope)  # HTTP has no connect event
        await super().__call__(scope, receive, send)

    async def http_request(self, message: Any) -> None:
        # The response does not depend on the body, so it is not read.
        message["more_body"] = False
        await super().http_request(message)

    async def handle(self, body: bytes) -> None:
        connection_log.received(self.scope)
        body = encode(describe(self.scope)).encode()
        sent = b"" if self.scope["method"] == "HEAD" else body
        await self.send_response(200, sent, headers=json_headers(body))

    async def disconnect(self) -> None:
        connection_log.disconnected(self.scope)
