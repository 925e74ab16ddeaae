"""docs/sending.md, followed in a fresh project with a real Redis and a real Daphne."""

import re
from collections.abc import Iterator

import pytest

from sandbox.processes.redis import Redis
from sandbox.processes.servers import ROOT, Server
from sandbox.wire import Response, http, websocket
from tests.support.recipe import Recipe, follow

PAGE = (ROOT / "docs" / "sending.md").read_text()
PRINTED = dict(re.findall(r"<!-- prints: (\S+) -->\n```text\n(.*?)```", PAGE, re.DOTALL))
TASK = "from chat.sending import send_to_room; send_to_room('lobby', 'from a task')"
IN_MEMORY = """
CHANNEL_LAYERS = {"rooms": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
"""
TOKEN = "a" * 32
SECONDS = 30


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, redis: Redis) -> Recipe:
    recipe = follow("sending.md", tmp_path_factory.mktemp("sending"))
    migrated = recipe.run("manage.py", "migrate", "--verbosity=0", REDIS_URL=redis.url)
    assert migrated.returncode == 0, migrated.stderr
    settings = recipe.folder / "mysite" / "settings.py"
    settings.with_name("in_memory.py").write_text(settings.read_text() + IN_MEMORY)
    return recipe


@pytest.fixture(scope="module")
def server(recipe: Recipe, redis: Redis) -> Iterator[Server]:
    with recipe.serving(REDIS_URL=redis.url) as server:
        yield server


async def post(server: Server, path: str, body: bytes) -> Response:
    headers = [
        ("Cookie", f"csrftoken={TOKEN}"),
        ("X-CSRFToken", TOKEN),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    return await http("POST", server.url + path, headers=headers, body=body, timeout=SECONDS)


@pytest.mark.parametrize("path", ["/send/", "/asend/"])
@pytest.mark.asyncio
async def test_a_view_reaches_the_room(server: Server, path: str) -> None:
    """What a synchronous or an asynchronous view sends comes to a member."""
    async with websocket(f"{server.url}/chat/") as member:
        assert (await post(server, path, b"text=hi")).status == 204
        assert await member.receive(SECONDS) == "hi"


@pytest.mark.asyncio
async def test_a_view_sends_when_its_transaction_is_committed(server: Server) -> None:
    """A transaction that is rolled back sends nothing, and one that is committed does."""
    async with websocket(f"{server.url}/chat/") as member:
        assert (await post(server, "/sign-up/", b"name=ada1")).status == 500
        assert (await post(server, "/sign-up/", b"name=ada")).status == 204
        assert await member.receive(SECONDS) == "ada has signed up"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        pytest.param(("announce", "from a command"), "from a command", id="command"),
        pytest.param(("shell", "-v", "0", "-c", TASK), "from a task", id="task"),
    ],
)
@pytest.mark.asyncio
async def test_another_process_reaches_the_room(
    server: Server, recipe: Recipe, redis: Redis, command: tuple[str, ...], text: str
) -> None:
    """What a command or a worker's process sends comes to a member."""
    async with websocket(f"{server.url}/chat/") as member:
        run = recipe.run("manage.py", *command, REDIS_URL=redis.url)
        assert run.returncode == 0, run.stderr
        assert await member.receive(SECONDS) == text


@pytest.mark.asyncio
async def test_in_memory_only_this_process_hears_it(recipe: Recipe, redis: Redis) -> None:
    """In memory a command has no error and reaches no member, and a view does."""
    environment = {"REDIS_URL": redis.url, "DJANGO_SETTINGS_MODULE": "mysite.in_memory"}
    with recipe.serving(**environment) as server:
        async with websocket(f"{server.url}/chat/") as member:
            run = recipe.run("manage.py", "announce", "from a command", **environment)
            assert run.returncode == 0, run.stderr
            assert (await post(server, "/send/", b"text=from a view")).status == 204
            assert await member.receive(SECONDS) == "from a view"


@pytest.mark.asyncio
async def test_it_reaches_the_rooms_of_this_sandbox(recipe: Recipe, redis: Redis) -> None:
    """Group and event are those of this project's rooms, over the same Redis."""
    from sandbox.processes.servers import serve as serve_sandbox  # noqa: PLC0415 # another one

    with serve_sandbox(environment={"REDIS_URL": redis.url}) as server:
        async with websocket(f"{server.url}/rooms/lobby/async-websocket/") as member:
            run = recipe.run("manage.py", "announce", "from outside", REDIS_URL=redis.url)
            assert run.returncode == 0, run.stderr
            assert await member.receive(SECONDS) == "from outside"


def test_what_goes_wrong_does_so_in_these_words(recipe: Recipe, redis: Redis) -> None:
    """Each program of the page prints the lines that follow it."""
    programs = "\n".join((recipe.folder / file).read_text() for file in PRINTED)
    run = recipe.run("manage.py", "shell", "-v", "0", "-c", programs, REDIS_URL=redis.url)

    assert run.stdout == "".join(PRINTED.values()), run.stderr
