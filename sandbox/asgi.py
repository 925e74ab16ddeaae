"""The ASGI application: what a server such as Daphne runs."""

import gc
import os
from threading import Thread
from typing import Any

import django
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.db.backends.signals import connection_created
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
django.setup(set_prefix=False)  # before anything that imports a model

from routing.channels import channel_names  # noqa: E402 # needs the apps
from routing.devices import topics  # noqa: E402 # needs the apps
from routing.ending import ended_once  # noqa: E402 # needs the apps
from routing.host import HostValidator  # noqa: E402 # needs the apps
from routing.hypercorn import with_every_end, without_compression  # noqa: E402 # needs the apps
from routing.origin import BrowserOriginValidator  # noqa: E402 # needs the apps
from routing.prefix import under_prefix  # noqa: E402 # needs the apps
from routing.proxy import behind_proxy  # noqa: E402 # needs the apps
from routing.servers import as_specified  # noqa: E402 # needs the apps
from routing.topics import TopicRouter  # noqa: E402 # needs the apps
from routing.urls import http_urlpatterns, websocket_urlpatterns  # noqa: E402 # needs the apps
from sandbox.apps import report_memory, report_redis  # noqa: E402 # needs the apps
from sandbox.database.waiting import limit_waiting  # noqa: E402 # needs the apps
from sandbox.site.presence import presence  # noqa: E402 # needs the apps

site: Any = [
    path("rooms/<room:room>/members/", without_compression(with_every_end(ended_once(presence))))
]
application = HostValidator(
    ProtocolTypeRouter(
        {
            "http": URLRouter(http_urlpatterns),
            "websocket": BrowserOriginValidator(URLRouter([*site, *websocket_urlpatterns])),
            "channel": ChannelNameRouter(channel_names),
            "mqtt": TopicRouter(topics),
        }
    )
)
application = under_prefix(application, settings.ROOT_PATH)
if settings.BEHIND_PROXY:
    application = behind_proxy(application)
application = as_specified(application)

connection_created.connect(limit_waiting)  # of servers: a migration may take its time
report_memory()
Thread(target=report_redis, daemon=True).start()  # a Redis that does not answer delays no start

# What has been loaded stays. Without this, each full garbage collection looks at all of it: Daphne
# stops for 60 to 110 ms, over HTTP and under load twice a second.
gc.collect()
gc.freeze()
