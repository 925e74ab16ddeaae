"""The sandbox's application, whose consumers do not say all of their ends."""

from itertools import count
from typing import Any

from consumers import connection_log

_number = count()
_disconnected = connection_log.disconnected


def forget_some(scope: Any, code: int | None = None) -> None:
    if next(_number) % 3:
        _disconnected(scope, code)


connection_log.disconnected = forget_some  # before the consumers use it

from sandbox.asgi import application  # noqa: E402, F401 # for the server
