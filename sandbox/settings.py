"""Settings, each from the environment, each with a working default."""

import math
import sys
from pathlib import Path
from typing import Any, cast

from environs import Env, EnvValidationError
from marshmallow import ValidationError, validate
from redis import ConnectionPool

from consumers.contract import Limits

BASE_DIR = Path(__file__).resolve().parent.parent


def is_redis_url(url: str) -> None:
    """Refuse what redis-py could not even try to connect to."""
    try:
        if url:
            ConnectionPool.from_url(url).make_connection()
    except (TypeError, ValueError) as error:
        raise ValidationError(
            f"Not the URL of a Redis, such as redis://127.0.0.1:6379/0: {error}."
        ) from None


# Errors wait for seal(), so that all of them are told at once.
env = Env(eager=False)

DEBUG = env.bool("DEBUG", default=True)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
SECRET_KEY = env.str(
    "SECRET_KEY",
    # A known key is no secret: only a developer's own machine may do without one.
    **({"default": "django-insecure-for-development-only"} if DEBUG else {}),
    validate=validate.Length(min=1),
)
DATABASES = {
    "default": env.dj_db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")
}
LOG_LEVEL = env.str(
    "LOG_LEVEL",
    default="DEBUG" if DEBUG else "INFO",
    validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]),
)

# The contract's limits.
#
# Daphne ends a connection over which a message of more than 1 MiB comes or goes. A reply grows to
# at most four times its request (1e15 comes back as 1000000000000000.0), hence the bound.
# Codecs give up at a depth of about 1,000, less the depth of the stack they stand on.
MAX_DELAY = env.float("MAX_DELAY", default=1.0, validate=validate.Range(0, 60))
MAX_MESSAGE_BYTES = env.int(
    "MAX_MESSAGE_BYTES", default=64 * 1024, validate=validate.Range(64, 256 * 1024)
)
MAX_DEPTH = env.int("MAX_DEPTH", default=100, validate=validate.Range(1, 500))
REDIS_URL = env.str("REDIS_URL", default="", validate=is_redis_url)

try:
    env.seal()
except EnvValidationError as error:
    wrong = cast("dict[str, list[str]]", error.error_messages)  # of seal(): reasons by name
    told = [f"{name}: {' '.join(reasons)}" for name, reasons in wrong.items()]
    sys.exit("\n".join(["Cannot start with these settings of the environment.", *told]))

LIMITS = Limits(MAX_DELAY, MAX_MESSAGE_BYTES, MAX_DEPTH)

# Channel layers: in memory, or over the one Redis of REDIS_URL.
#
# Rooms use Redis's Pub/Sub: six times the messages a second of the core layer, members survive an
# outage of Redis and hear again by themselves, and a member that is gone leaves nothing behind.
# What is published during the outage is lost, which suits a room. Workers need the core layer,
# which keeps a message until somebody takes it, and hands it to one of many; and runworker looks
# under "default".
#
# A room's member that does not keep up has ROOM_CAPACITY messages waiting, of MAX_MESSAGE_BYTES or
# so each, and loses what comes on top. Nothing may expire earlier than a slow member can take it:
# the in-memory layer puts the owner of an expired message out of its groups, unsaid. It does the
# same after group_expiry, though Member leaves every group itself.
ROOM_CAPACITY = 500
ROOMS_IN_MEMORY = {
    "capacity": ROOM_CAPACITY,
    "expiry": 60 + ROOM_CAPACITY * MAX_DELAY,
    "group_expiry": math.inf,
}
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "rooms": {"BACKEND": "sandbox.layers.InMemoryLayer", "CONFIG": ROOMS_IN_MEMORY},
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
}
if REDIS_URL:
    CHANNEL_LAYERS = {
        "rooms": {
            "BACKEND": "sandbox.layers.PubSubLayer",
            "CONFIG": {"hosts": [REDIS_URL], "capacity": ROOM_CAPACITY},
        },
    }

INSTALLED_APPS = [
    "daphne",  # first: it brings the runserver that speaks ASGI
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "sandbox",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]
ROOT_URLCONF = "sandbox.urls"
ASGI_APPLICATION = "sandbox.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True

# Nothing inline, nothing from elsewhere: every script and style is a file of this site.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"consumers": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False}},
}
