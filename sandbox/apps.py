"""The warnings at the start: no Redis at REDIS_URL, or several processes without one."""

import logging
import os
from contextlib import suppress
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004 # Django's own name

from sandbox.layers.redis_url import why_unreachable

logger = logging.getLogger("sandbox")


class SandboxConfig(AppConfig):
    name = "sandbox"

    def ready(self) -> None:
        register(redis_answers, "redis")


def redis_answers(**_: Any) -> list[CheckMessage]:
    """Warn on every command of manage.py, ``compare`` too."""
    reason = why_unreachable(settings.REDIS_URL) if settings.REDIS_URL else ""
    return [Warning(reason, id="sandbox.W001")] if reason else []


def report_redis() -> None:
    """Warn in the log of a server that was started without manage.py."""
    for warning in redis_answers():
        logger.warning(warning.msg)


def report_memory() -> None:
    """Warn in the log of the second process that has rooms of its own, and of any further one."""
    if not settings.REDIS_URL and not _is_first_child():
        logger.warning(
            "Several processes are serving, and without REDIS_URL each has rooms of its own: "
            "members that are connected to different processes do not hear each other."
        )


def _is_first_child() -> bool:
    """Whether no other process that serves was started by the same parent, as far as is known.

    No server tells its processes how many they are. So each locks the entry of their parent, for as
    long as it lives; that is possible on Linux only.
    """
    with suppress(ImportError, OSError):
        import fcntl  # noqa: PLC0415 # not on Windows

        # It is never closed: that would end the lock.
        entry = os.open(f"/proc/{os.getppid()}/status", os.O_RDONLY)
        try:
            fcntl.flock(entry, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
