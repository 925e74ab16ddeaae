"""Settings, each from the environment, each with a working default."""

import math
import re
import sys
from pathlib import Path
from typing import Any, cast

from environs import Env, EnvValidationError, ValidationError, validate
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.retry import Retry as SyncRetry

from consumers.catalogue import ROOM_NAME
from consumers.contract import Limits
from sandbox.database.url import read_url
from sandbox.layers.redis_url import check_url
from sandbox.mqtt.url import read_url as read_mqtt_url

MOST_MQTT_ROOMS = 100
BASE_DIR = Path(__file__).resolve().parent.parent


def is_redis_url(url: str) -> None:
    try:
        if url:
            check_url(url)
    except ValueError as error:
        raise ValidationError(
            f"Not the URL of a Redis, such as redis://127.0.0.1:6379/0: {error}."
        ) from None


def is_mqtt_url(url: str) -> None:
    try:
        if url:
            read_mqtt_url(url)
    except ValueError as error:
        raise ValidationError(
            f"Not the URL of a broker, such as mqtt://127.0.0.1:1883: {error}."
        ) from None


def are_rooms(names: list[str]) -> None:
    if not all(re.fullmatch(ROOM_NAME, name) for name in names) or len(names) > MOST_MQTT_ROOMS:
        raise ValidationError(
            f"Not the names of at most {MOST_MQTT_ROOMS} rooms, such as lobby,kitchen."
        )


def is_prefix(path: str) -> None:
    if not re.fullmatch(r"(/[\w.~-]*[\w~-])*", path, re.ASCII):
        raise ValidationError("Not a prefix of URL paths, such as /app: no slash at its end.")


# Errors wait for seal(), so that all of them are reported together.
env = Env(eager=False)

DEBUG = env.bool("DEBUG", default=True)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", subcast=str.strip, default=["localhost", "127.0.0.1", "[::1]"]
)
SECRET_KEY = env.str(
    "SECRET_KEY",
    # A known key is no secret: only a developer's own machine may do without one.
    **({"default": "django-insecure-for-development-only"} if DEBUG else {}),
    validate=validate.Length(min=1),
)
DATABASE_URL = env.str("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")
# Where the site is reached from outside: through a proxy, below a prefix.
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
ROOT_PATH = env.str("ROOT_PATH", default="", validate=is_prefix)
# Sent over HTTPS only. An hour is enough to learn that nothing breaks; then raise it, to a year.
SECURE_HSTS_SECONDS = env.int(
    "HSTS_SECONDS", default=0 if DEBUG else 3600, validate=validate.Range(min=0)
)
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
SYNC_THREADS = env.int("SYNC_THREADS", default=32, validate=validate.Range(1, 1000))
HISTORY_KEPT = env.int("HISTORY_KEPT", default=1000, validate=validate.Range(1, 1_000_000))
HISTORY_CHECK_SECONDS = 1.0
SIGNED_IN_SECONDS = 2.0
REDIS_URL = env.str("REDIS_URL", default="", validate=is_redis_url)
MQTT_ROOMS = env.list("MQTT_ROOMS", default=["lobby"], validate=are_rooms)
MQTT_URL = env.str("MQTT_URL", default="", validate=is_mqtt_url)

wrong: dict[str, list[str]] = {}
try:
    env.seal()
except EnvValidationError as error:
    wrong = cast("dict[str, list[str]]", error.error_messages)  # of seal(): reasons by name
try:
    DATABASES = {"default": read_url(DATABASE_URL, threads=SYNC_THREADS or 1)}
except ValueError as error:
    wrong["DATABASE_URL"] = [str(error)]
if wrong:
    reported = [f"{name}: {' '.join(reasons)}" for name, reasons in wrong.items()]
    sys.exit("\n".join(["Cannot start with these settings of the environment.", *reported]))

LIMITS = Limits(MAX_DELAY, MAX_MESSAGE_BYTES, MAX_DEPTH)

# Channel layers: in memory, or over the one Redis of REDIS_URL.
#
# Rooms use Redis's Pub/Sub: it delivers six times as many messages a second as the core layer, and
# after an outage of Redis its members receive again by themselves, where members of the core layer
# would not. What is sent during the outage is lost. Workers need the core layer, which keeps a
# request until one of them takes it. There is no "default": a consumer that names no layer, such as
# an echo, has none, and does not need Redis.
#
# At most ROOM_CAPACITY messages wait for a member that is busy; it loses what exceeds that. No
# message may expire before even a slow member takes it, and no member may become too old: the
# in-memory layer would remove it from its groups without a word. A request to a worker is kept as
# long as its client waits for the answer. All channels of a process share one capacity for answers.
ROOM_CAPACITY = 500
WORKER_SECONDS = 3.0
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "rooms": {
        "BACKEND": "sandbox.layers.in_memory.InMemoryLayer",
        "CONFIG": {
            "capacity": ROOM_CAPACITY,
            "expiry": 60 + ROOM_CAPACITY * MAX_DELAY,
            "group_expiry": math.inf,
        },
    },
    "workers": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
}
if REDIS_URL:
    # By default redis-py stops reading after 5 seconds, as long as the core layer waits for a
    # message: an idle worker would end. A connection that was idle while Redis restarted shows it
    # only when it is used, so there is one more attempt.
    HOST = {
        "address": REDIS_URL,
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        "retry": Retry(NoBackoff(), 1),
    }
    CHANNEL_LAYERS = {
        "rooms": {
            "BACKEND": "sandbox.layers.pub_sub.PubSubLayer",
            "CONFIG": {"hosts": [HOST], "capacity": ROOM_CAPACITY},
        },
        "workers": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {
                "hosts": [HOST],
                "capacity": 100,
                "channel_capacity": {"specific.*": 10_000},
                "expiry": math.ceil(WORKER_SECONDS + MAX_DELAY),
            },
        },
    }
    # Where a bot notes which commands it has answered.
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": {
                "socket_connect_timeout": 2,
                "socket_timeout": 5,
                "retry": SyncRetry(NoBackoff(), 1),
            },
        }
    }

INSTALLED_APPS = [
    "daphne",  # first: it brings the runserver that speaks ASGI
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "consumers.bot",
    "consumers.history",
    "sandbox.site",
    "sandbox",  # before channels: its runworker outlives an outage of Redis
    "channels",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "sandbox.site.slash.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "sandbox.sessions.UnavailableMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "DIRS": [BASE_DIR / "sandbox"],  # the reports of compare and bench
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]
ROOT_URLCONF = "sandbox.urls"
DEFAULT_EXCEPTION_REPORTER_FILTER = "sandbox.site.errors.SettingsFilter"
ASGI_APPLICATION = "sandbox.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
STORAGES = {"staticfiles": {"BACKEND": "sandbox.site.storage.PrefixedStaticFilesStorage"}}
SESSION_ENGINE = "sandbox.sessions"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "scope"
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
# Over plain HTTP, Chromium and Firefox keep them on this machine only.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = ROOT_PATH or "/"  # not those of another site of this host
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # the proxy redirects to HTTPS; on this machine plain HTTP goes on working
    "security.W005",  # whether all hosts below this one are HTTPS, this site cannot know
    "security.W021",  # nor whether browsers shall have that built in
]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "consumers": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
        "routing": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
        "sandbox.mqtt": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
        "psycopg.pool": {"level": "ERROR"},  # it warns of every attempt during an outage
    },
}
