"""Two processes with both bots, a server and one Redis; and Redis is killed."""

import asyncio
import json
import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from django.utils.module_loading import import_string

from consumers.catalogue import BOTS
from sandbox.processes.migration import migrate
from sandbox.processes.redis import Redis
from sandbox.processes.servers import Server, serve
from sandbox.site.views import MAX_INVITATIONS
from sandbox.wire import http
from tests.support.asgi import TIMEOUT
from tests.support.bots import press, workers
from tests.support.clients import Client
from tests.support.members import SLUGS

pytestmark = pytest.mark.asyncio

COMMANDS = 200
AT_ONCE = 20
"""How many commands may wait for their answers."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bots") / "db.sqlite3"


@pytest.fixture(scope="module")
def server(redis: Redis, database: Path) -> Iterator[Server]:
    """A Daphne, and two processes that run both bots."""
    environment = {"REDIS_URL": redis.url, "DATABASE_URL": f"sqlite:///{database}"}
    migrate(environment["DATABASE_URL"])
    with workers(2, environment), serve(environment=environment) as server:
        yield server


@asynccontextmanager
async def member(server: Server, room: str, slug: str = "websocket") -> AsyncIterator[Client]:
    """One member of a room, until the block ends."""
    client = Client(slug, room, server.url)
    await client.join()
    try:
        yield client
    finally:
        await client.leave()


async def say(client: Client, text: str) -> None:
    await client.send(json.dumps({"message": text}))


async def hear(client: Client) -> Any:
    return json.loads(await client.hear())["message"]


async def answers(client: Client, count: int) -> Counter[tuple[str, str]]:
    """How often each bot has said what, in the next ``count`` things that bots say."""
    said: Counter[tuple[str, str]] = Counter()
    while said.total() < count:
        heard = await hear(client)
        if isinstance(heard, dict):
            said[heard["bot"], heard["text"]] += 1
    return said


async def test_two_workers_answer_each_command_once(server: Server) -> None:
    """Of two bots in two processes, each answers each of 200 commands once."""
    for bot in BOTS:
        assert press(server, "invite", bot, "once")[0] == 302
    expected = {f"command {number}" for number in range(COMMANDS)}
    async with member(server, "once") as client:
        said: Counter[tuple[str, str]] = Counter()
        for number in range(COMMANDS):
            await say(client, f"/echo command {number}")
            if number >= AT_ONCE:
                said += await answers(client, len(BOTS))
        said += await answers(client, len(BOTS) * AT_ONCE)
        assert said == {(bot, text): 1 for bot in BOTS for text in expected}
        # Had one been answered twice, that would be here before the answer to the next one.
        await say(client, "/echo last")
        assert await answers(client, len(BOTS)) == {(bot, "last"): 1 for bot in BOTS}


async def test_no_bot_answers_a_bot(server: Server) -> None:
    """What a bot says is no command, to itself or to the other bot, even if it begins with /."""
    for bot in BOTS:
        press(server, "invite", bot, "bots")
    async with member(server, "bots") as client:
        for text in ("/echo again", "no loop"):
            await say(client, f"/echo {text}")
            assert await answers(client, len(BOTS)) == {(bot, text): 1 for bot in BOTS}


@pytest.mark.parametrize("slug", SLUGS)
async def test_every_type_can_ask(server: Server, slug: str) -> None:
    """A bot answers members of every type, after their command, and ignores what is no command."""
    room = f"type.{slug}"
    press(server, "invite", "bot-sync", room)
    async with member(server, room, slug) as client:
        await say(client, "hi")
        assert await hear(client) == "hi"
        for command, expected in {
            "/roll 3d6": r"3d6: [1-6] \+ [1-6] \+ [1-6] = \d+",
            "/roll 0d6": r"Say it like /roll 2d6: .*",
            "/time": r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00",
            "/nonsense": r"There is no command /nonsense: try /help\.",
        }.items():
            await say(client, command)
            assert await hear(client) == command
            heard = await hear(client)
            assert heard["bot"] == "bot-sync"
            assert re.fullmatch(expected, heard["text"])


async def test_a_bot_answers_where_it_is_invited(server: Server) -> None:
    """A bot answers only in rooms that it is invited to, and no longer once it is sent away."""
    press(server, "invite", "bot-async", "here")
    press(server, "invite", "bot-async", "left")
    press(server, "send_away", "bot-async", "left")
    async with AsyncExitStack() as stack:
        here, left, never = [
            await stack.enter_async_context(member(server, room))
            for room in ("here", "left", "never")
        ]
        for number in range(10):
            for client in (left, never, here):
                await say(client, f"/echo {number}")
            assert await answers(here, 1) == {("bot-async", str(number)): 1}
        for client in (left, never):
            await say(client, "end")
            assert [await hear(client) for _ in range(11)][-1] == "end"


async def test_a_command_that_comes_twice_is_answered_once(server: Server, redis: Redis) -> None:
    """A command that the channel layer gives to two workers is answered by one of them."""
    layer = import_string("channels_redis.core.RedisChannelLayer")(hosts=[redis.url])
    for bot in BOTS:
        press(server, "invite", bot, "twice")
    async with member(server, "twice") as client:
        for text in ("again", "last"):
            event = {"type": "bot.command", "room": "twice", "text": f"/echo {text}", "id": text}
            for bot in BOTS:
                for _ in range(10):
                    await layer.send(bot, event)
            assert await answers(client, len(BOTS)) == {(bot, text): 1 for bot in BOTS}
    await layer.close_pools()


async def test_bots_outlive_a_restart_of_redis(server: Server, redis: Redis) -> None:
    """After a restart of Redis that has lost all it held, bots answer as before, each once."""
    for bot in BOTS:
        press(server, "invite", bot, "restart")
    async with member(server, "restart") as client:
        await say(client, "/echo before")
        assert await answers(client, len(BOTS)) == {(bot, "before"): 1 for bot in BOTS}
        redis.kill()
        await say(client, "/echo lost")
        assert "unavailable" in await client.hear_refusal()
        redis.start()
        waiting = set(BOTS)
        async with asyncio.timeout(TIMEOUT):
            while waiting:  # some of it is lost, until all processes have connected again
                await say(client, "/echo again")
                while True:
                    try:
                        heard = json.loads(str(await client.socket.receive(timeout=1)))
                    except TimeoutError:
                        break
                    if "bot" in (message := heard.get("message") or {}) and "text" in message:
                        waiting.discard(message["bot"])
        await say(client, "/echo after")
        said = await answers(client, len(BOTS))
        assert said == {(bot, "after"): 1 for bot in BOTS}
    assert "Traceback" not in server.log()


async def test_what_cannot_be_invited_is_refused(server: Server, database: Path) -> None:
    """No bot, a bad room, a form of another site, and one room too many are each refused."""
    assert press(server, "invite", "unknown", "r") == (400, "The bots are bot-sync, bot-async.")
    assert press(server, "invite", "bot-sync", "r/x") == (400, "That is not the name of a room.")
    body = b"room=r&invite=bot-sync"
    foreign = {"Content-Type": "application/x-www-form-urlencoded"}.items()
    assert (
        await http("POST", f"{server.url}/rooms/bots/", body=body, headers=foreign)
    ).status == 403
    with closing(sqlite3.connect(database)) as connection, connection:
        rows = [(f"full.{number}", "bot-sync") for number in range(MAX_INVITATIONS)]
        connection.executemany("INSERT INTO bot_invitation (room, bot) VALUES (?, ?)", rows)
    status, sentence = press(server, "invite", "bot-sync", "one.more")
    assert (status, "first send one away" in sentence) == (409, True)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM bot_invitation")
    assert press(server, "invite", "bot-sync", "one.more")[0] == 302
