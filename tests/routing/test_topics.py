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
SIZE = topics.MESSAGE_BYTES + len("a/b") + 10
"""Of a message with a payload of ten bytes."""
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
        if event["mqtt"]["payload"] == b"end":
            raise StopConsumer
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


@pytest.mark.parametrize("payload", [b"fail", b"end"])
async def test_a_lasting_consumer_is_replaced(recorder: type[Recorder], payload: bytes) -> None:
    """The consumer of a topic without names is replaced also if nothing waits, until the end."""
    broker = Broker(topic("all", recorder.as_asgi()), **ACKNOWLEDGES)
    broker.message("all", payload, id=1)
    assert (await broker.next("mqtt.ack"))["id"] == 1
    await eventually(lambda: recorder.begun == [{}, {}])
    await broker.end()
    assert recorder.begun == [{}, {}, "end"]


def failing(recorder: type[Recorder], where: str, *, times: int) -> Any:
    """An application that so many times fails before its consumer has a message, then works."""
    works = recorder.as_asgi()
    failures = iter(range(times))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if next(failures, None) is None:
            await works(scope, receive, send)
            return
        recorder.begun.append("failed")
        if where != "before mqtt.connect":
            await receive()
        if where != "returns":
            raise ArithmeticError

    return application


PLACES = ["before mqtt.connect", "in mqtt.connect", "returns"]


@pytest.mark.parametrize("where", PLACES)
async def test_a_consumer_that_cannot_begin_is_tried_again(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A message waits, unacknowledged, until a consumer begins, and delays no other topic."""
    monkeypatch.setattr(topics, "PAUSE", 0.2)
    broker = Broker(
        topic("a/<client>", failing(recorder, where, times=3)),
        topic("b/<client>", recorder.as_asgi()),
        **ACKNOWLEDGES,
    )
    with logged("routing") as log:
        broker.message("a/b", b"first", id=1)
        await eventually(lambda: recorder.begun == ["failed"])
        broker.message("a/b", b"second", id=2)
        broker.message("b/b", id=3)
        assert [(await broker.next("mqtt.ack"))["id"] for _ in range(3)] == [3, 1, 2]
    assert recorder.begun.count("failed") == 3
    assert len(log.lines) == (where != "returns")
    await broker.end()


@pytest.mark.parametrize("where", PLACES)
async def test_a_consumer_that_never_begins_is_given_up(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """After the last try what waits is refused and acknowledged; the next message tries again."""
    monkeypatch.setattr(topics, "PAUSE", 0.01)
    monkeypatch.setattr(topics, "MOST_BYTES_IN_ALL", 3 * SIZE)
    broker = Broker(
        topic(
            "a/<client>",
            failing(recorder, where, times=topics.MOST_TRIES),
            busy=lambda scope, message: {
                "type": "mqtt.pub",
                "mqtt": {"topic": scope["topic"], "payload": message["payload"]},
            },
        ),
        **ACKNOWLEDGES,
    )
    payloads = [b"0" * 10, b"1" * 10, b"2" * 10]
    with logged("routing") as log:
        for number, payload in enumerate(payloads, 1):
            broker.message("a/b", payload, id=number)
        for number, payload in enumerate(payloads, 1):
            assert (await broker.next("mqtt.pub")) == {"topic": "a/b", "payload": payload}
            assert (await broker.next("mqtt.ack"))["id"] == number
    assert recorder.begun == ["failed"] * topics.MOST_TRIES
    assert log.lines[-1] == "'a/b': no consumer begins: what waits is refused"
    assert len(log.lines) == 1 + (where != "returns")
    broker.message("a/b", b"3" * (10 + 2 * SIZE), id=4)
    assert (await broker.next("mqtt.ack"))["id"] == 4
    await broker.end()
    assert recorder.begun[topics.MOST_TRIES :] == [{"client": "b"}, "end"]


@pytest.mark.parametrize("most", [1, 2])
async def test_a_message_at_the_end_of_a_consumer_is_handled(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """What comes in the very moment in which a consumer ends is given to one in its place."""
    monkeypatch.setattr(topics, "MOST_CONSUMERS", most)

    async def application(scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        number = (await receive())["mqtt"]["id"]
        recorder.begun.append(number)
        if number < 3:
            broker.message(scope["topic"], id=number + 1)

    broker = Broker(topic("a/<client>", application), **ACKNOWLEDGES)
    broker.message("a/b", id=1)
    assert [(await broker.next("mqtt.ack"))["id"] for _ in range(3)] == [1, 2, 3]
    await broker.end()
    assert recorder.begun == [1, 2, 3]


@pytest.mark.parametrize("where", ["begins", "waits to be tried again"])
async def test_a_loss_ends_a_consumer_that_has_not_begun(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It gets no mqtt.disconnect without mqtt.connect, and nothing waits for it to begin."""
    monkeypatch.setattr(topics, "PAUSE", 2 * TIMEOUT)
    never = asyncio.Event()

    async def application(_scope: Any, receive: Any, _send: Any) -> None:
        recorder.begun.append("runs")
        if where == "begins":
            await never.wait()
            recorder.begun.append(await receive())

    broker = Broker(topic("a/<client>", application), **ACKNOWLEDGES)
    broker.message("a/b", id=1)
    await eventually(lambda: recorder.begun != [])
    await asyncio.sleep(0.05)
    await broker.end(reason=0x80)
    assert recorder.begun == ["runs"]
    assert (await broker.next("mqtt.sub"))["topic"] == "a/+"
    assert broker.sent.empty()


@pytest.mark.parametrize(
    ("limit", "value"),
    [("MOST_WAITING", 3), ("MOST_BYTES", 3 * SIZE), ("MOST_BYTES_IN_ALL", 3 * SIZE)],
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


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b" * 60_000, {}),
        ("b", {"user_properties": {"x" * 30_000: "y" * 30_000}}),
        ("b", {"payload": b"0" * 60_000}),
    ],
    ids=["topic", "user properties", "payload"],
)
async def test_all_that_a_device_chooses_has_a_limit(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch, name: str, content: dict[str, Any]
) -> None:
    """A long topic or user property counts like a long payload: what does not fit is refused."""
    monkeypatch.setattr(topics, "MOST_BYTES", 200_000)
    recorder.gate.clear()
    broker = Broker(topic("a/<client>", recorder.as_asgi()), **ACKNOWLEDGES)
    for number in range(1, 6):
        broker.message(f"a/{name}", id=number, **content)
        await asyncio.sleep(0.02)  # the first is being handled, and waits no more
    assert (await broker.next("mqtt.ack"))["id"] == 5
    recorder.gate.set()
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


async def test_a_lasting_consumer_makes_no_room(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many devices do not end the consumer of a topic without names, which has no other start."""
    monkeypatch.setattr(topics, "MOST_CONSUMERS", 2)

    class Lasting(recorder):  # type: ignore[misc,valid-type] # a class of the fixture
        begun: list[Any] = []  # noqa: RUF012 # a class for each test

    broker = Broker(topic("all", Lasting.as_asgi()), topic("a/<client>", recorder.as_asgi()))
    for client in ("one", "two", "three"):
        broker.message(f"a/{client}")
        await broker.next("mqtt.pub")
        await asyncio.sleep(0.05)  # it is idle
    assert recorder.begun.count("end") == 2
    assert Lasting.begun == [{}]
    await broker.end()


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
