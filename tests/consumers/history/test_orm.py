"""The three ways to the database, and what many writers at once do to it."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from consumers.history import plain_orm
from consumers.history.models import Message

CONSUMERS = Path(plain_orm.__file__).parent


@pytest.fixture
def room() -> str:
    return uuid4().hex


@pytest.mark.parametrize(
    ("sync", "asynchronous"),
    [
        ("websocket.py", "async_websocket.py"),
        ("json_websocket.py", "async_json_websocket.py"),
        ("sync_member.py", "async_member.py"),
        ("plain_orm.py", "async_orm.py"),
    ],
)
def test_twins_differ_only_in_async_and_await(sync: str, asynchronous: str) -> None:
    """What is asynchronous is its twin with ``async`` and ``await`` in it, and nothing else."""

    def code(file: str) -> list[str]:
        text = (CONSUMERS / file).read_text().partition("\n\n")[2]  # without the docstring
        text = re.sub(r"\b(async|await) ", "", text)
        text = re.sub(r"async_to_sync\((self\.\w+)\)", r"\1", text)
        text = re.sub(r"from asgiref.*\n", "", text)
        text = re.sub(r"\.a(create|aggregate|delete)\b", r".\1", text)
        text = re.sub("Async|Sync", "", text).replace("asyncio", "time")
        text = re.sub("async_|sync_|plain_", "", text)
        imports, _, body = text.partition("\n\n\n")
        return [*sorted(imports.splitlines()), body]

    assert code(sync) == code(asynchronous)


@pytest.mark.usefixtures("database")
def test_storing_is_one_statement(room: str) -> None:
    """A message gets its number in the INSERT itself, so that no other can come in between."""
    with CaptureQueriesContext(connection) as queries:
        assert plain_orm.store(room, "1") == 1
        assert plain_orm.store(room, "2") == 2
    assert [query["sql"].split()[0] for query in queries] == ["INSERT", "INSERT"]


@pytest.mark.usefixtures("database")
def test_a_number_is_given_once(room: str) -> None:
    """The database itself refuses a second message with the same number."""
    plain_orm.store(room, "1")
    with pytest.raises(IntegrityError):
        Message.objects.create(room=room, number=1, text="2")


@pytest.mark.usefixtures("database")
def test_many_writers_at_once_on_sqlite(room: str) -> None:
    """Sixteen threads that write into one file wait for each other, and none fails."""

    def write(_: int) -> list[int]:
        try:
            return [plain_orm.store(room, "1") for _ in range(50)]
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as threads:
        numbers = [number for written in threads.map(write, range(16)) for number in written]
    assert Counter(numbers) == Counter(range(1, 801))
