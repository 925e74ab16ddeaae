"""Bots as visitors have them: a site with a Redis, workers, and invitations over HTTP."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from urllib.parse import urlencode

from consumers.catalogue import BOTS
from sandbox.processes.servers import Server
from sandbox.processes.worker import working


@contextmanager
def workers(count: int, environment: Mapping[str, str]) -> Iterator[None]:
    """That many processes, each with all bots, until the block ends."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(working([*BOTS], environment))
        yield


def press(server: Server, button: str, bot: str, room: str) -> tuple[int, str]:
    """Press "invite" or "send_away" on the page of a room; return status and body."""
    connection = HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/rooms/?room=lobby")
    page = connection.getresponse()
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
    cookie = (page.getheader("Set-Cookie") or "").partition(";")[0]
    form = {"csrfmiddlewaretoken": token[1] if token else "", "room": room, button: bot}
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/rooms/bots/", urlencode(form), headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body
