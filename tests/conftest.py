"""What all tests share: Hypothesis profiles and a real server."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from sandbox.servers import Server, serve

# An example of five round trips has no fixed price on a shared machine: no deadline.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session")
def daphne(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Daphne of our own on a free port, with a database of its own."""
    database = tmp_path_factory.mktemp("daphne") / "db.sqlite3"
    environment = {"DATABASE_URL": f"sqlite:///{database}", "LOG_LEVEL": "DEBUG"}
    with serve("daphne", environment=environment) as server:
        yield server
