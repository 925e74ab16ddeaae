"""By which names a client may call this site. Django's views ask for that; consumers do not.

Copy this file and ``refusal.py`` into a project, and put it around the whole ASGI application:

    application = HostValidator(ProtocolTypeRouter({...}))

Why: a web page can let its own name resolve to the address of this server (DNS rebinding). For the
browser that page and this server are then one site, so it may read every response. What gives it
away is the Host, which still has the name of that page.

A client that sends no Host gets in: no browser does that. (Granian makes an empty one of it.)
"""

from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from routing.refusal import excerpt, refuse

DEBUG_HOSTS = [".localhost", "127.0.0.1", "[::1]"]
"""What Django allows while DEBUG if ALLOWED_HOSTS is empty."""


def is_allowed(host: str) -> bool:
    """Whether ALLOWED_HOSTS has a host, with or without a port, as Django decides it."""
    allowed = settings.ALLOWED_HOSTS or (DEBUG_HOSTS if settings.DEBUG else [])
    domain, _ = split_domain_port(host)
    return domain != "" and validate_host(domain, allowed)


class HostValidator:
    """Refuse with 400 every Host outside ALLOWED_HOSTS, and every request with two of them."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        hosts = [value for name, value in scope.get("headers", ()) if name == b"host" and value]
        host = b", ".join(hosts).decode("latin-1")
        if not hosts or is_allowed(host):
            await self.application(scope, receive, send)
        else:
            why = f"the Host {excerpt(host)} is not in ALLOWED_HOSTS"
            await refuse(scope, receive, send, status=400, why=why)
