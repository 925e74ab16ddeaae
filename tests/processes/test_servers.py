"""Starting servers: what they answer, and what is said of those that do not start."""

import socket
from contextlib import ExitStack

import pytest

from sandbox.processes.servers import VARIANTS, ServerError, free_port, installed, serve
from sandbox.wire import http


@pytest.mark.parametrize(
    "name", [*installed(), *(name for name, (of, _) in VARIANTS.items() if of in installed())]
)
@pytest.mark.asyncio
async def test_a_server_answers_from_the_start(name: str) -> None:
    """Inside the block a server answers on its port; afterwards nothing does."""
    with serve(name) as server:
        assert (await http("HEAD", server.url)).status == 200
        assert server.version[0].isdigit()
    with pytest.raises(ConnectionRefusedError):
        await http("HEAD", server.url)


def test_a_server_of_another_name_is_refused() -> None:
    """The message for a name that is no server's lists those that there are."""
    with pytest.raises(ServerError, match="choose from daphne, uvicorn, hypercorn, granian"):
        ExitStack().enter_context(serve("nginx"))


def test_a_server_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the command that installs it where it can find its subpackages."""
    monkeypatch.setattr("sandbox.processes.servers.installed", lambda: ["daphne"])
    with pytest.raises(ServerError, match=r"pip install -e '\.\[servers\]' brings it"):
        ExitStack().enter_context(serve("granian"))


@pytest.mark.parametrize("name", installed())
def test_a_server_that_ends_shows_its_log(name: str) -> None:
    """The message for a server that ends before it answers has what it printed."""
    with pytest.raises(ServerError, match=f"{name} ended before it answered") as error:
        ExitStack().enter_context(serve(name, application="no_such_module:application"))
    assert "no_such_module" in str(error.value)


def test_a_server_that_is_silent_shows_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message for a server that does not answer in time says how long that was."""
    monkeypatch.setattr("sandbox.processes.servers.STARTUP_SECONDS", 0.01)
    with pytest.raises(ServerError, match=r"daphne did not answer within 0\.01 s\. Its log:"):
        ExitStack().enter_context(serve("daphne"))


def test_a_free_port_can_be_listened_on() -> None:
    """Nothing listens on a free port."""
    with socket.create_server(("127.0.0.1", free_port())):
        pass
