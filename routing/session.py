"""The session and the user in the scope, and what a client gets while their database is away."""

from contextlib import nullcontext
from typing import Any

from channels.auth import AuthMiddleware
from channels.db import database_sync_to_async
from channels.sessions import SessionMiddlewareStack

from consumers.contract_http import encode_http
from consumers.outage import UNAVAILABLE, UnavailableError, reading
from consumers.unavailable import close_unavailable
from routing.signed_in import user_of


def with_session(application: Any) -> Any:
    """Put in front of it what ``AuthMiddlewareStack`` does.

    A client with a session cookie needs the database before the consumer begins. While it does not
    answer, Channels' own stack raises: 500, or a refused handshake, and a traceback for each. It
    also ends the sessions of an older secret key, one of ``SECRET_KEY_FALLBACKS``.
    """
    return SessionMiddlewareStack(AvailableAuthMiddleware(application))


class AvailableAuthMiddleware(AuthMiddleware):
    """Answer ``unavailable``, over HTTP with 503, while the database does not answer."""

    async def resolve_scope(self, scope: Any) -> None:
        # A client without a session needs no database.
        with reading.watch() if scope["session"].session_key else nullcontext():
            user = await database_sync_to_async(user_of)(scope["session"])
        scope["user"]._wrapped = user  # noqa: SLF001 # as the method does that this one replaces

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        try:
            return await super().__call__(scope, receive, send)
        except UnavailableError:
            await _answer_unavailable(scope, receive, send)


async def _answer_unavailable(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        status, body, headers = encode_http(scope["method"], UNAVAILABLE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        await receive()  # websocket.connect
        await close_unavailable(send, UNAVAILABLE, is_accepted=False)
