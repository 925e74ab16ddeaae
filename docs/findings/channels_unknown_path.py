"""Channels answers an unknown WebSocket path with a traceback, which makes the response a 500.

Prints: HTTP/1.1 500, ValueError: No route found for path 'unknown'.
Seen with: channels 4.3.2
Cause: `URLRouter` raises ValueError.
Workaround: routing/refusal.py, `not_found`
Reported: https://github.com/django/channels/issues/2147
"""

from channels.routing import URLRouter
from django.conf import settings
from serving import handshake, serving

settings.configure()
application = URLRouter([])

if __name__ == "__main__":
    with serving("uvicorn") as server:
        with server.plain(handshake().replace(b"GET /", b"GET /unknown")) as client:
            status = client.recv(1000).decode()[:12]
        server.prints("Error:", 10)
        raised = [line for line in server.log().splitlines() if line.startswith("ValueError")]
        print(status, *raised, sep=", ")
