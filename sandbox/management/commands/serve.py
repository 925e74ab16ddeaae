"""Daphne's runserver, which says that it cannot listen and then waits, made to end."""

import os
from typing import Any

from daphne.management.commands import runserver  # type: ignore[import-untyped] # no types
from daphne.server import Server  # type: ignore[import-untyped] # no types


class EndingServer(Server):  # type: ignore[misc] # Daphne has no types
    def listen_error(self, failure: Any) -> None:
        super().listen_error(failure)
        # From here on Django's reloader would watch files, for a server that is not there.
        os._exit(1)


class Command(runserver.Command):  # type: ignore[misc] # Daphne has no types
    """Serve, as runserver does, or end where the port is taken."""

    server_cls = EndingServer
