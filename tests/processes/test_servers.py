"""Starting servers: what they answer, and what is said of those that do not start."""

import socket
import time
from contextlib import ExitStack, suppress

import psutil
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


@pytest.mark.parametrize("name", installed())
def test_several_processes_share_a_port(name: str) -> None:
    """Each server runs as many processes as it is asked for, and all of them end with the block."""
    with serve(name, processes=2) as server:
        parent = psutil.Process(server.process.pid)
        deadline = time.monotonic() + 60
        while len(accepting(parent, server.port)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        processes = accepting(parent, server.port)
        assert len(processes) == 2
    assert not any(process.is_running() for process in processes)


def accepting(parent: psutil.Process, port: int) -> list[psutil.Process]:
    """Find the processes below a server's that listen on its port."""
    found = []
    for process in parent.children(recursive=True):
        with suppress(psutil.Error):
            if any(one.laddr.port == port for one in process.net_connections("tcp") if one.laddr):
                found.append(process)
    return found


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
