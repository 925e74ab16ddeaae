"""Daphne's runserver, but it exits when it cannot listen, instead of waiting."""

import os
from typing import Any

from daphne.management.commands import runserver  # type: ignore[import-untyped] # no types
from daphne.server import Server  # type: ignore[import-untyped] # no types


class ExitingServer(Server):  # type: ignore[misc] # Daphne has no types
    def listen_error(self, failure: Any) -> None:
        super().listen_error(failure)
        # Otherwise Django's reloader would go on watching files, without a server.
        os._exit(1)


class Command(runserver.Command):  # type: ignore[misc] # Daphne has no types
    """Serve, as runserver does; exit with 1 where the port is taken."""

    server_cls = ExitingServer
