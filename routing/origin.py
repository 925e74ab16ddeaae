"""Which web pages may open a WebSocket here. CORS does not protect WebSockets; this does."""

from typing import Any
from urllib.parse import urlparse

from channels.security.websocket import OriginValidator
from django.conf import settings

from routing.refusal import refuse


class BrowserOriginValidator(OriginValidator):
    """Refuse every Origin outside ALLOWED_HOSTS, accept a client that sends none.

    A browser always sends its Origin, so accepting none opens nothing to web pages, and lets
    command-line clients in, which ``AllowedHostsOriginValidator`` does not.
    """

    def __init__(self, application: Any) -> None:
        super().__init__(application, settings.ALLOWED_HOSTS)
        self.accepted: Any = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if all(self._is_allowed(origin) for origin in origins):
            await self.accepted(scope, receive, send)
        else:
            await refuse(scope, receive, send, status=403)

    def _is_allowed(self, origin: bytes) -> bool:
        try:
            parsed = urlparse(origin.decode("latin-1"))
            return parsed.port != 0 and self.valid_origin(parsed)
        except ValueError:  # neither "http://[" nor "http://localhost:port" is an origin
            return False
