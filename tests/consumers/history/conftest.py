"""A database of their own for the tests in process."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.support.history import sqlite_database


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with sqlite_database(tmp_path_factory.mktemp("history") / "db.sqlite3"):
        yield


@pytest.fixture
def in_memory(settings: Settings) -> None:
    """Give each test a new in-memory layer, whatever REDIS_URL says."""
    settings.CHANNEL_LAYERS = {"rooms": {"BACKEND": "sandbox.layers.in_memory.InMemoryLayer"}}
