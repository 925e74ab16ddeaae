"""The ASGI application: what a server such as Daphne runs."""

import os

import django
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
django.setup(set_prefix=False)  # before anything that imports a model

from routing.origin import BrowserOriginValidator  # noqa: E402 # needs the apps
from routing.urls import http_urlpatterns, websocket_urlpatterns  # noqa: E402 # needs the apps

application = ProtocolTypeRouter(
    {
        "http": URLRouter(http_urlpatterns),
        "websocket": BrowserOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
