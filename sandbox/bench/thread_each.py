"""Isolation by a thread for each connection, which ``bench`` compares with that of this project."""

from typing import Any

from asgiref.sync import ThreadSensitiveContext


def with_a_thread_each(application: Any) -> Any:
    """Isolate as Django does each request: see routing/isolation.py for what is wrong with it."""

    async def isolated_application(scope: Any, receive: Any, send: Any) -> None:
        async with ThreadSensitiveContext():
            await application(scope, receive, send)

    return isolated_application
