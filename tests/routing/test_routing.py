"""What stands in front of the consumers: origin check, refusals, thread isolation."""

import asyncio
import time
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from channels.testing import WebsocketCommunicator

from consumers.catalogue import Exhibit, exhibits
from routing.origin import BrowserOriginValidator
from sandbox.asgi import application
from sandbox.processes.servers import Server
from sandbox.wire import RefusedError, http, websocket
from tests.support.harness import keeping_the_contract

SOCKETS = [e for e in exhibits("echo") if e.protocol == "websocket"]


async def handshake(path: str, origin: bytes | None = None) -> bool:
    headers = [] if origin is None else [(b"origin", origin)]
    communicator = WebsocketCommunicator(application, path, headers=headers)
    accepted, _ = await communicator.connect(10)
    await communicator.disconnect(timeout=10)
    return bool(accepted)


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        pytest.param(None, True, id="none"),
        pytest.param(b"http://localhost:8000", True, id="own"),
        pytest.param(b"http://127.0.0.1", True, id="own-address"),
        pytest.param(b"http://[::1]:8000", True, id="own-ipv6"),
        pytest.param(b"https://evil.example", False, id="foreign"),
        pytest.param(b"http://localhost.evil.example", False, id="look-alike"),
        pytest.param(b"null", False, id="null"),
        pytest.param(b"", False, id="empty"),
        pytest.param(b"http://[", False, id="malformed"),
        pytest.param(b"http://localhost:port", False, id="malformed-port"),
        pytest.param(b"\xff\xfe", False, id="not-ascii"),
    ],
)
@pytest.mark.asyncio
async def test_origin_is_checked(origin: bytes | None, accepted: bool) -> None:
    """A page of this site and a client without an Origin get in, any other page does not."""
    assert await handshake("/echo/websocket/", origin) is accepted


@pytest.mark.asyncio
async def test_one_foreign_origin_among_several_refuses() -> None:
    """Two Origin headers are not a way around the check."""
    reached = []

    async def inner(*_: Any) -> None:
        reached.append(True)

    sent = []

    async def send(event: Any) -> None:
        sent.append(event["type"])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    headers = [(b"origin", b"http://localhost"), (b"origin", b"http://evil.example")]
    scope = {"type": "websocket", "headers": headers}
    await BrowserOriginValidator(inner)(scope, receive, send)

    assert (reached, sent) == ([], ["websocket.close"])


@pytest.mark.parametrize("path", ["/", "/nowhere/", "/echo/async-http/", "/echo/websocket"])
@pytest.mark.asyncio
async def test_unknown_websocket_path_is_refused(path: str) -> None:
    """A WebSocket to a path that has no WebSocket exhibit is refused without an exception."""
    assert not await handshake(path)


@pytest.mark.asyncio
async def test_refusal_names_its_status_where_the_server_can() -> None:
    """A server with the denial response extension gets the status 404, and not only a close."""
    communicator = WebsocketCommunicator(application, "/nowhere/")
    communicator.scope["extensions"] = {"websocket.http.response": {}}
    await communicator.send_input({"type": "websocket.connect"})
    event = await communicator.receive_output(10)

    assert (event["type"], event["status"]) == ("websocket.http.response.start", 404)
    assert (await communicator.receive_output(10))["type"] == "websocket.http.response.body"
    await communicator.wait(10)


@pytest.mark.asyncio
async def test_refusals_on_the_wire_leave_no_traceback(daphne: Server) -> None:
    """Daphne answers a foreign origin and an unknown path with 403 and logs no exception."""
    before = len(daphne.log())
    for path, origin in [("/echo/websocket/", "http://evil.example"), ("/nowhere/", None)]:
        with pytest.raises(RefusedError) as refusal:
            async with websocket(daphne.url + path, origin=origin):
                pass

        assert refusal.value.status == 403
    assert "Traceback" not in daphne.log()[before:]


@pytest.mark.parametrize("blocked", SOCKETS, ids=lambda exhibit: exhibit.id)
@pytest.mark.asyncio
async def test_a_waiting_exhibit_delays_no_other(daphne: Server, blocked: Exhibit) -> None:
    """While one exhibit waits for a second, every other exhibit answers before it does."""
    answered: list[str] = []

    async def ask(exhibit: Exhibit) -> None:
        if exhibit.protocol == "http":
            await http("POST", daphne.url + exhibit.url, body=b'{"message":1}')
        else:
            async with websocket(daphne.url + exhibit.url) as connection:
                await connection.send('{"message":1}')
                await connection.receive()
        answered.append(exhibit.id)

    async with websocket(daphne.url + blocked.url) as sleeper:
        await sleeper.send('{"message":1,"delay":1}')
        sleep = asyncio.create_task(sleeper.receive())
        await asyncio.gather(*(ask(exhibit) for exhibit in keeping_the_contract()))
        assert not sleep.done()
        assert sorted(answered) == sorted(exhibit.id for exhibit in keeping_the_contract())
        assert await sleep == '{"message":1}'


@pytest.mark.asyncio
async def test_stock_shows_what_isolation_is_for(daphne: Server) -> None:
    """Without isolation an async exhibit waits until the sync exhibit has slept."""
    async with (
        websocket(f"{daphne.url}/stock/websocket/") as sleeper,
        websocket(f"{daphne.url}/stock/async-websocket/") as neighbour,
    ):
        began = time.perf_counter()
        await sleeper.send('{"message":1,"delay":0.5}')
        while f"{sleeper.local_address} /stock/websocket/ receive" not in daphne.log():
            await asyncio.sleep(0.01)
        await neighbour.send('{"message":2}')
        await neighbour.receive()

        assert time.perf_counter() - began >= 0.5
        await sleeper.receive()


@pytest.mark.asyncio
async def test_every_isolated_connection_gives_its_thread_back() -> None:
    """When a sync exhibit's connection ends, nothing of its context is left."""
    for _ in range(20):
        assert await handshake("/echo/websocket/")

    left = list(SyncToAsync.context_to_thread_executor)
    assert not [context for context in left if isinstance(context, ThreadSensitiveContext)]
