"""A thread of its own for each connection that runs synchronous code."""

from typing import Any

from asgiref.sync import ThreadSensitiveContext


def isolated(application: Any) -> Any:
    """Keep a blocked synchronous consumer from delaying anybody else.

    Channels runs all synchronous consumers of a process on one thread, and its asynchronous
    consumers wait for that thread too (github.com/django/channels/issues/2132). Django's own ASGI
    handler opens this context for each request; Channels leaves that to whoever mounts a consumer.
    """

    async def isolated_application(scope: Any, receive: Any, send: Any) -> None:
        async with ThreadSensitiveContext():
            await application(scope, receive, send)

    return isolated_application
