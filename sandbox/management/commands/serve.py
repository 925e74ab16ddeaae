"""Daphne's runserver, but it exits when it cannot listen, or when it would not be safe to."""

import os
import socket
from ipaddress import ip_address
from typing import Any

from daphne.management.commands import runserver  # type: ignore[import-untyped] # no types
from daphne.server import Server  # type: ignore[import-untyped] # no types
from django.conf import settings

from sandbox.management.shell import UsageError


class ExitingServer(Server):  # type: ignore[misc] # Daphne has no types
    def __init__(self, *args: Any, **options: Any) -> None:
        # After 10 s Daphne would cancel a consumer that has not yet come to its disconnect.
        super().__init__(*args, application_close_timeout=60, **options)

    def listen_error(self, failure: Any) -> None:
        super().listen_error(failure)
        # Otherwise Django's reloader would go on watching files, without a server.
        os._exit(1)


class Command(runserver.Command):  # type: ignore[misc] # Daphne has no types
    """Serve, as runserver does; exit with 1 where the port is taken, with 2 if it is not safe."""

    server_cls = ExitingServer

    def run(self, **options: Any) -> None:
        """Start, unless other machines could reach what is for its developer only."""
        needed = {
            "DEBUG=false": not settings.DEBUG,
            "SECRET_KEY": "SECRET_KEY" in os.environ,
            "ALLOWED_HOSTS": "ALLOWED_HOSTS" in os.environ,
        }
        if is_loopback(self.addr):
            if not needed["ALLOWED_HOSTS"]:
                host = f"[{self.addr}]" if self._raw_ipv6 else self.addr
                settings.ALLOWED_HOSTS.append(host)
        elif missing := [setting for setting, is_set in needed.items() if not is_set]:
            raise UsageError(
                f"Other machines can reach {self.addr}: set DEBUG=false, SECRET_KEY (a secret of "
                "your own) and ALLOWED_HOSTS (the names by which visitors may call this site). "
                f"Missing: {', '.join(missing)}. See docs/deploying.md."
            )
        super().run(**options)


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a host name or address."""
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):  # UnicodeError: for a..b
        return True  # the server says that there is no such address
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)
