"""The ASGI application that ``bench`` measures: the exhibits with only URL routing in front.

In ``sandbox.asgi`` there are a session stack and an origin check too. They cost every exhibit the
same, so that a fast one would look less fast than it is.
"""

import gc
import os
from typing import Any

import django
from channels.routing import ProtocolTypeRouter, URLRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
django.setup(set_prefix=False)  # before anything that imports a model

from routing.urls import http_urlpatterns, websocket_urlpatterns  # noqa: E402 # needs the apps


def no_stack(application: Any) -> Any:
    return application


application = ProtocolTypeRouter(
    {
        "http": URLRouter(http_urlpatterns(no_stack)),
        "websocket": URLRouter(websocket_urlpatterns(no_stack)),
    }
)

gc.collect()
gc.freeze()  # as in sandbox/asgi.py
