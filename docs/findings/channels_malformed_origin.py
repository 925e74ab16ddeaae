"""The origin validators of Channels raise at an Origin that is no URL, and should refuse it.

Prints: HTTP/1.1 500, ValueError: Invalid IPv6 URL
Seen with: channels 4.3.2
Cause: `urlparse` raises ValueError.
Workaround: routing/origin.py
"""

from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from serving import handshake, serving

settings.configure(ALLOWED_HOSTS=["localhost"])


async def never(scope, receive, send):
    print("let in", flush=True)


application = AllowedHostsOriginValidator(never)

if __name__ == "__main__":
    with serving("uvicorn") as server:
        with server.plain(handshake("Origin: http://[")) as client:
            status = client.recv(1000).decode()[:12]
        server.prints("Error:", 3)
        raised = [line for line in server.log().splitlines() if line.startswith("ValueError")]
        print(status, *raised, sep=", ")
