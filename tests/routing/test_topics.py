"""Topics and consumers, in process: as the protocol server and as mqttasgi run the router."""

import asyncio
from asyncio import Queue, Task, create_task, timeout
from typing import Any

import pytest
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from routing import topics
from routing.topics import TopicRouter, topic
from tests.support.asgi import TIMEOUT
from tests.support.devices import eventually
from tests.support.logs import logged

pytestmark = pytest.mark.asyncio
ACKNOWLEDGES: Any = {"extensions": {"mqtt.ack": {}}}
NO_LOCAL: Any = {"extensions": {"mqtt.no_local": {}}}


class Recorder(AsyncConsumer):
    """Publishes what it has received, once ``gate`` is open."""

    gate: asyncio.Event
    begun: list[Any]

    async def mqtt_connect(self, _event: Any) -> None:
        self.begun.append(self.scope["url_route"]["kwargs"])

    async def mqtt_msg(self, event: Any) -> None:
        if event["mqtt"]["payload"] == b"fail":
            raise ArithmeticError
        await self.gate.wait()
        await self.send({"type": "mqtt.pub", "mqtt": {**event["mqtt"], "topic": "reply"}})

    async def mqtt_disconnect(self, _event: Any) -> None:
        self.begun.append("end")
        raise StopConsumer


class Broker:
    """A protocol server's side of the router."""

    def __init__(self, *routes: Any, **scope: Any) -> None:
        self.events: Queue[Any] = Queue()
        self.sent: Queue[Any] = Queue()
        self.task: Task[None] = create_task(
            TopicRouter(routes)({"type": "mqtt", **scope}, self.events.get, self.sent.put)
        )
        self.events.put_nowait({"type": "mqtt.connect", "mqtt": {}})

    def message(self, name: str, payload: bytes = b"", **content: Any) -> None:
        content = {"topic": name, "payload": payload, "qos": 1, **content}
        self.events.put_nowait({"type": "mqtt.msg", "mqtt": content})

    async def next(self, kind: str) -> Any:
        """What the next event of that type says."""
        async with timeout(TIMEOUT):
            while (event := await self.sent.get())["type"] != kind:
                pass
        return event["mqtt"]

    async def end(self, **content: Any) -> None:
        self.events.put_nowait({"type": "mqtt.disconnect", "mqtt": content})
        async with timeout(TIMEOUT):
            await self.task


@pytest.fixture
def recorder() -> type[Recorder]:
    class Recording(Recorder):
        gate = asyncio.Event()
        begun: list[Any] = []  # noqa: RUF012 # a class for each test

    Recording.gate.set()
    return Recording


async def test_a_level_has_a_name_and_a_consumer(recorder: type[Recorder]) -> None:
    """The router subscribes with +, and the consumer of a topic finds the names in its scope."""
    broker = Broker(topic("a/<client>/b/<room>", recorder.as_asgi(), no_local=True), **NO_LOCAL)
    subscription = await broker.next("mqtt.sub")
    for client in ("one", "two", "one"):
        broker.message(f"a/{client}/b/lobby", client.encode())
        assert (await broker.next("mqtt.pub"))["payload"] == client.encode()
    await broker.end()
    assert subscription["topic"] == "a/+/b/+"
    assert subscription["no_local"]
    assert recorder.begun[:2] == [{"client": name, "room": "lobby"} for name in ("one", "two")]
    assert recorder.begun[2:] == ["end", "end"]


@pytest.mark.parametrize("name", ["a//b", "a/x\ty/b", "a/x\n/b", "a/\x00/b", "a/b/c/b", "a/b", ""])
async def test_other_topics_reach_no_consumer(recorder: type[Recorder], name: str) -> None:
    """An empty level, a control character or another depth is logged and acknowledged."""
    broker = Broker(topic("a/<client>/b", recorder.as_asgi()), **ACKNOWLEDGES)
    with logged("routing") as log:
        broker.message(name, id=7)
        assert await broker.next("mqtt.ack") == {"id": 7}
    assert log.lines == [f"{name!r}: no consumer has this topic: ignored"]
    await broker.end()
    assert recorder.begun == []


async def test_a_retained_message_is_ignored(recorder: type[Recorder]) -> None:
    """An old message gets a line in the log and is acknowledged."""
    broker = Broker(topic("a/<client>", recorder.as_asgi()), **ACKNOWLEDGES)
    assert (await broker.next("mqtt.sub"))["retain_handling"] == 2
    with logged("routing") as log:
        broker.message("a/b", id=7, retain=True)
        assert await broker.next("mqtt.ack") == {"id": 7}
    assert log.has("'a/b'", "retained")
    await broker.end()
    assert recorder.begun == []


async def test_a_message_is_acknowledged_when_it_is_handled(recorder: type[Recorder]) -> None:
    """The acknowledgement comes after the reply, and not while the consumer is at work."""
    recorder.gate.clear()
    broker = Broker(topic("a/<client>", recorder.as_asgi()), **ACKNOWLEDGES)
    await broker.next("mqtt.sub")
    broker.message("a/b", id=7)
    await asyncio.sleep(0.05)
    assert broker.sent.empty()
    recorder.gate.set()
    async with timeout(TIMEOUT):
        kinds = [(await broker.sent.get())["type"] for _ in range(2)]
    assert kinds == ["mqtt.pub", "mqtt.ack"]
    await broker.end()


async def test_without_the_extension_nothing_is_acknowledged(recorder: type[Recorder]) -> None:
    """Under a server such as mqttasgi, which acknowledges by itself, there is no such event."""
    broker = Broker(topic("a/<client>", recorder.as_asgi()))
    for _ in range(2):  # mqttasgi sends it again after each reconnection
        broker.events.put_nowait({"type": "mqtt.connect", "mqtt": {}})
    broker.message("a/b", b"x")
    assert (await broker.next("mqtt.pub"))["payload"] == b"x"
    await broker.end()
    assert broker.sent.empty()


async def test_a_consumer_that_fails_is_replaced(recorder: type[Recorder]) -> None:
    """What it failed on is acknowledged and logged, and a new consumer takes what waits."""
    broker = Broker(topic("a/<client>", recorder.as_asgi()), **ACKNOWLEDGES)
    with logged("routing") as log:
        for number, payload in enumerate([b"fail", b"good"], 1):
            broker.message("a/b", payload, id=number)
        assert [(await broker.next("mqtt.ack"))["id"] for _ in range(2)] == [1, 2]
    assert log.lines == ["'a/b': the consumer has failed"]
    await broker.end()
    assert recorder.begun == [{"client": "b"}, {"client": "b"}, "end"]


@pytest.mark.parametrize(
    ("limit", "value"), [("MOST_WAITING", 3), ("MOST_BYTES", 30), ("MOST_BYTES_IN_ALL", 30)]
)
async def test_only_so_much_waits(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    """A message over the limits is refused at once, and acknowledged; the others are handled."""
    monkeypatch.setattr(topics, limit, value)
    recorder.gate.clear()
    refusal = {"type": "mqtt.pub", "mqtt": {"topic": "busy"}}
    broker = Broker(
        topic("a/<client>", recorder.as_asgi(), busy=lambda *_: refusal), **ACKNOWLEDGES
    )
    broker.message("a/b", b"0" * 10, id=1)
    await eventually(lambda: recorder.begun != [])
    await asyncio.sleep(0.05)  # it is being handled, and waits no more
    for number in range(2, 6):
        broker.message("a/b", b"0" * 10, id=number)
    assert (await broker.next("mqtt.pub"))["topic"] == "busy"
    assert (await broker.next("mqtt.ack"))["id"] == 5
    recorder.gate.set()
    assert [(await broker.next("mqtt.ack"))["id"] for _ in range(4)] == [1, 2, 3, 4]
    await broker.end()


async def test_there_are_only_so_many_consumers(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a new one an idle one ends; where all are busy, its message is refused."""
    monkeypatch.setattr(topics, "MOST_CONSUMERS", 2)
    broker = Broker(topic("a/<client>", recorder.as_asgi()))
    for client in ("one", "two"):
        broker.message(f"a/{client}")
        await broker.next("mqtt.pub")
    await asyncio.sleep(0.05)  # both are idle
    recorder.gate.clear()
    for client in ("two", "three"):
        broker.message(f"a/{client}")
    await eventually(lambda: {"client": "three"} in recorder.begun)
    assert recorder.begun.count("end") == 1
    with logged("routing") as log:
        broker.message("a/four")
        await eventually(lambda: log.has("'a/four'", "too many messages wait"))
    recorder.gate.set()
    await broker.end()
    assert recorder.begun.count("end") == 3


async def test_an_idle_consumer_ends(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer that has nothing to do for long ends, but not that of a topic without names."""
    monkeypatch.setattr(topics, "IDLE_SECONDS", 0.1)
    broker = Broker(topic("all", recorder.as_asgi()), topic("a/<client>", recorder.as_asgi()))
    broker.message("a/one")
    await eventually(lambda: recorder.begun == [{}, {"client": "one"}, "end"])
    await asyncio.sleep(0.2)
    assert recorder.begun == [{}, {"client": "one"}, "end"]
    broker.message("a/one")
    await eventually(lambda: recorder.begun[3:] == [{"client": "one"}, "end"])
    await broker.end()
    assert recorder.begun.count("end") == 3


@pytest.mark.parametrize("reason", [0, 0x80])
async def test_the_end_leaves_time_only_where_a_reply_can_be_sent(
    recorder: type[Recorder], reason: int
) -> None:
    """At a shutdown what waits is handled first; after a loss only what is being handled is."""
    recorder.gate.clear()
    broker = Broker(topic("a/<client>", recorder.as_asgi()))
    await broker.next("mqtt.sub")
    for _ in range(3):
        broker.message("a/b")
    await eventually(lambda: recorder.begun != [])
    await asyncio.sleep(0.05)
    ending = create_task(broker.end(reason=reason))
    await asyncio.sleep(0.05)
    recorder.gate.set()
    await ending
    assert broker.sent.qsize() == (1 if reason else 3)
    assert recorder.begun == [{"client": "b"}, "end"]
