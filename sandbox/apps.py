"""The warning at the start when the Redis of REDIS_URL does not answer."""

import logging
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004 # Django's own name

from sandbox.layers.redis_url import why_unreachable


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
        logging.getLogger("sandbox").warning(warning.msg)
