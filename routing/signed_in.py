"""A connection ends when its user has signed out. Without this it keeps its user for ever.

Copy this file into a project, and put ``while_signed_in`` around each consumer, behind the session:

    path("chat/", AuthMiddlewareStack(while_signed_in(ChatConsumer.as_asgi())))

Why: Channels finds the user once, in the handshake. A user who signs out, changes the password, is
deactivated or deleted keeps the open WebSocket, and receives on it what is for that user only.

How: every 30 seconds (``every``) the session is read again, as in a new handshake. If it has no
user any more, the WebSocket is closed with 4401, an event stream ends, and the consumer's
``disconnect`` runs. If it has one, ``scope["user"]`` is read again, with the present permissions.
4401 is HTTP's 401 among the codes that are for applications. (Daphne cannot send 1008, Policy
Violation.) A page that sees it should ask its user to sign in, and not just connect again.

A visitor who was not signed in is not looked after. While the database does not answer, connections
stay: nothing can have changed in it, and clients whose connection was closed could not come back.

All checks of a process run on one thread of their own, so that a slow one delays no consumer. It
has one more database connection, and does some 1,000 checks a second.

What is given up:

- For up to ``every`` seconds a connection works as before. Where one message may do harm, let its
  handler ask the database.
- Sessions in signed cookies (``signed_cookies``) are not on the server, so that signing out is not
  noticed; all else is.
- A user who came by a token of yours has no session: read the token again, in ``_read_user``.
"""

import logging
from asyncio import CancelledError, Task, create_task, current_task, sleep
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user

logger = logging.getLogger(__name__)

SIGNED_OUT = 4401
"""The close code."""

_thread = ThreadPoolExecutor(1, thread_name_prefix="signed_in")


def while_signed_in(application: Any, every: float = 30.0) -> Any:
    """Make an ASGI application that ends with its user's session; ``every`` is in seconds."""

    async def watched_application(scope: Any, receive: Any, send: Any) -> None:
        if "session" not in scope:
            raise ValueError("while_signed_in has to be behind AuthMiddlewareStack.")
        if not scope["user"].is_authenticated:
            await application(scope, receive, send)
            return
        connection = Connection(scope, receive, send)
        watching = create_task(connection.watch(every))
        try:
            await application(scope, connection.receive, connection.send)
        finally:
            watching.cancel()

    return watched_application


class Connection:
    """What is between the session and one consumer."""

    __slots__ = ("_is_ended", "_is_open", "_receive", "_receiving", "_scope", "_send")

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._receiving: Task[Any] | None = None
        self._is_open = False
        """An accepted WebSocket or an event stream: other responses end by themselves."""
        self._is_ended = False
        """By us."""

    async def watch(self, every: float) -> None:
        """Read the session every so many seconds; end the connection when it has no user."""
        while not self._is_ended:
            await sleep(every)
            if await _is_signed_in(self._scope) or not self._is_open:
                continue
            self._is_ended = True
            if self._receiving is None:  # the consumer is at work
                await self._close()
            else:  # Granian does not close while a receive waits
                task, self._receiving = self._receiving, None
                task.cancel()

    async def receive(self) -> Any:
        if self._is_ended:
            return self._disconnect
        self._receiving = task = current_task()
        try:
            return await self._receive()
        except CancelledError:
            if task is None or self._receiving is task:  # not cancelled by us
                raise
            task.uncancel()
            await self._close()
            return self._disconnect
        finally:
            self._receiving = None

    async def send(self, event: Any) -> None:
        if self._is_ended:
            return
        if event["type"] in ("websocket.accept", "websocket.close"):
            self._is_open = event["type"] == "websocket.accept"
        elif event["type"] == "http.response.body":
            self._is_open = bool(event.get("more_body"))
        await self._send(event)

    async def _close(self) -> None:
        with suppress(Exception):  # the client has left
            if self._scope["type"] == "websocket":
                await self._send({"type": "websocket.close", "code": SIGNED_OUT})
            else:
                await self._send({"type": "http.response.body", "body": b""})

    @property
    def _disconnect(self) -> Any:
        """The event for the consumer."""
        if self._scope["type"] == "websocket":
            return {"type": "websocket.disconnect", "code": SIGNED_OUT}
        return {"type": "http.disconnect"}


def user_of(session: Any) -> Any:
    """Find the user of a session, as Django does for a request, and change nothing in it."""
    return get_user(SimpleNamespace(session=Snapshot(session.items())))  # type: ignore[arg-type] # it asks for no more


class Snapshot(dict[str, Any]):
    """What a session holds. Django's check would end or renew the session itself."""

    flush = dict.clear

    def cycle_key(self) -> None:
        pass


async def _is_signed_in(scope: Any) -> bool:
    """Read the session and its user again; keep the user if that fails."""
    try:
        user = await database_sync_to_async(_read_user, thread_sensitive=False, executor=_thread)(
            scope["session"].session_key
        )
    except Exception as error:  # noqa: BLE001 # of whatever keeps the sessions
        outage.begin(error)
        return True
    outage.end()
    if user.is_authenticated:
        scope["user"] = user
    return bool(user.is_authenticated)


def _read_user(session_key: str) -> Any:
    return user_of(import_module(settings.SESSION_ENGINE).SessionStore(session_key))


class Outage:
    """One line in the log when the sessions cannot be read, and one when they can again."""

    def __init__(self) -> None:
        self._lasts = False

    def begin(self, error: Exception) -> None:
        if not self._lasts:
            self._lasts = True
            reason = str(error).partition("\n")[0] or type(error).__name__
            logger.warning("Sessions cannot be read, so connections stay: %s", reason)

    def end(self) -> None:
        if self._lasts:
            self._lasts = False
            logger.warning("Sessions can be read again.")


outage = Outage()
"""Of this process."""
