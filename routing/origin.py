"""Which web pages may open a WebSocket here. CORS does not protect WebSockets; this does."""

from typing import Any
from urllib.parse import urlsplit

from routing.host import is_allowed
from routing.refusal import excerpt, refuse


class BrowserOriginValidator:
    """Refuse every Origin outside ALLOWED_HOSTS, accept a client that sends none.

    A browser always sends its Origin, so accepting none opens nothing to web pages, and lets
    command-line clients in, which ``AllowedHostsOriginValidator`` of Channels does not. The host of
    an Origin is read as Django reads a Host: what may load a page may open its WebSockets.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        if all(map(_is_allowed, origins)):
            await self.application(scope, receive, send)
        else:
            why = f"the host of the Origin {excerpt(', '.join(origins))} is not in ALLOWED_HOSTS"
            await refuse(scope, receive, send, status=403, why=why)


def _is_allowed(origin: str) -> bool:
    try:
        return is_allowed(urlsplit(origin).netloc)
    except ValueError:  # "http://[" is no origin
        return False
