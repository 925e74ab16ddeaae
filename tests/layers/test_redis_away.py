"""What docs/rooms.md says of a consumer of one's own while Redis is away."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from sandbox.processes.redis import Redis
from sandbox.processes.servers import serve

PAGE = Path(__file__).parents[2] / "docs" / "rooms.md"
TIMEOUT = 30.0
SILENCE_SECONDS = 1.0
SEEN = {
    "closed with 1011, on Uvicorn 1006": {"daphne": "closed 1011", "uvicorn": "closed 1006"},
    "closed at once, with the same codes": {"daphne": "closed 1011", "uvicorn": "closed 1006"},
    "stays, and receives again": dict.fromkeys(("daphne", "uvicorn"), "nothing"),
    "refused with 500": dict.fromkeys(("daphne", "uvicorn"), "refused 500"),
}


def said() -> dict[str, list[str]]:
    """Of each layer: a member that sends, one that only listens, and a new connection."""
    _, _, section = PAGE.read_text().partition("## When Redis is away")
    rows = re.findall(r"^\| (.*Layer`.*?) \| (.*) \| (.*) \| (.*) \|$", section, re.MULTILINE)
    return {layer: cells for names, *cells in rows for layer in re.findall(r"`(\w+Layer)`", names)}


def seen(member: ClientConnection, seconds: float = TIMEOUT) -> str:
    try:
        return str(member.recv(timeout=seconds))
    except TimeoutError:
        return "nothing"
    except ConnectionClosed as closed:
        return f"closed {closed.rcvd.code if closed.rcvd else 1006}"


def hears_again(listener: ClientConnection, join: Callable[[], ClientConnection]) -> bool:
    """A new member reaches it, at the latest when its process has connected again."""
    for _ in range(30):
        with suppress(InvalidStatus), join() as sender:
            sender.send("again")
            if seen(listener, 1.0) == "again":
                return True
        time.sleep(0.2)
    return False


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_members_see_what_the_table_says(name: str, redis: Redis) -> None:
    """On each layer those who send, listen, or come are closed, stay, or are refused as it says."""
    layers = said()
    assert len(layers) == 3
    with serve(
        name,
        application="tests.support.foreign.member:application",
        environment={"REDIS_URL": redis.url},
    ) as server:

        def join(path: str) -> ClientConnection:
            url = f"ws://127.0.0.1:{server.port}/{path}/"
            member: ClientConnection = connect(url, open_timeout=TIMEOUT, legacy=True)
            return member

        members = {layer: (join(layer), join(layer)) for layer in layers}
        careful = join("careful")
        redis.kill()
        for layer, (sends, listens, comes) in layers.items():
            sender, listener = members[layer]
            assert seen(listener, SILENCE_SECONDS) == SEEN[listens][name], layer
            if "closed" not in SEEN[listens][name]:
                sender.send("hi")
            assert seen(sender) == SEEN[sends][name], layer
            with pytest.raises(InvalidStatus) as raised:
                join(layer)
            assert f"refused {raised.value.response.status_code}" == SEEN[comes][name], layer
        careful.send("hi")
        assert seen(careful) == "not sent"

        redis.start()
        for layer, (_, listens, _) in layers.items():
            if SEEN[listens][name] == "nothing":
                assert hears_again(members[layer][1], partial(join, layer))
