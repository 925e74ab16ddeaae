"""The protocol server, and all that can happen to its broker."""

import asyncio
import gc
import os
import re
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.utils.module_loading import import_string

from consumers.catalogue import DEVICES, Exhibit
from routing.topics import TopicRouter, topic
from sandbox.mqtt import connection, packets, server
from sandbox.mqtt.connection import Connection
from sandbox.mqtt.packets import Message
from sandbox.mqtt.url import read_url
from sandbox.processes.mosquitto import KEEPS, Mosquitto
from sandbox.processes.servers import ROOT, free_port
from tests.support.asgi import TIMEOUT
from tests.support.devices import Device, ServerThread, eventually, subscribed
from tests.support.logs import Log, logged
from tests.support.tcp import tcp_server

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("mosquitto_program")]
each_device = pytest.mark.parametrize("exhibit", DEVICES, ids=lambda exhibit: exhibit.id)
HI, HI_BACK = b'{"message": "hi"}', b'{"message":"hi"}'
(ASYNC,) = (one for one in DEVICES if one.is_async)
NUMBERED = [b'{"message":%d}' % number for number in range(2000)]


@pytest.fixture
def log() -> Iterator[Log]:
    with logged("sandbox.mqtt", "consumers", "routing") as log:
        yield log


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    """One that does not run yet."""
    broker = Mosquitto()
    yield broker
    broker.__exit__()


async def test_a_broker_that_is_away_at_the_start_is_waited_for(
    broker: Mosquitto, log: Log
) -> None:
    """It is said once that there is no broker, and devices are answered when one has come."""
    with ServerThread(broker.url):
        await eventually(lambda: log.has("no connection", "trying again"))
        await asyncio.sleep(0.5)
        assert len(log.lines) == 1
        await asyncio.to_thread(broker.start)
        async with Device(broker.url, ASYNC.topic) as device:
            await subscribed(log)
            assert await device.ask(HI) == HI_BACK
            assert log.has("connected, MQTT 5")


@pytest.mark.parametrize("session", ["kept", "lost"])
async def test_a_broker_that_comes_back_has_its_subscriptions(
    broker: Mosquitto, log: Log, session: str
) -> None:
    """After a broker has gone and come back, with its sessions or without, devices are answered."""
    broker.start()
    with ServerThread(broker.url):
        device = Device(broker.url, ASYNC.topic)
        await subscribed(log)
        async with device:
            assert await device.ask(HI) == HI_BACK
            broker.stop()
            await device.lost.wait()
        await eventually(lambda: log.has("gone"))
        if session == "lost":
            broker.forget()
        await asyncio.to_thread(broker.start)
        word = {"kept": "the session from before", "lost": "a new session"}[session]
        await subscribed(log, times=2)
        assert word in [line for line in log.lines if "connected" in line][-1]
        async with device:
            await device.send(b'{"message": 2}')
            while await device.receive() != b'{"message":2}':
                pass  # at QoS 1, the first one once more
    assert sum(line.endswith(" connect") for line in log.lines) == 2
    assert sum(line.endswith(" disconnect") for line in log.lines) == 2


async def test_a_broker_that_freezes_is_noticed(
    broker: Mosquitto, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that says nothing any more is taken for gone after twice the keep alive."""
    monkeypatch.setattr(connection, "KEEP_ALIVE", 1)
    broker.start()
    with ServerThread(broker.url):
        await eventually(lambda: log.has("connected"))
        os.kill(broker.pid, signal.SIGSTOP)
        await eventually(lambda: log.has("gone", "it does not answer"))
        os.kill(broker.pid, signal.SIGCONT)
        await eventually(lambda: log.has("with the session from before"))


async def test_a_wrong_password_is_said_and_tried_again(log: Log) -> None:
    """A broker that refuses the password gets a line, without the password, and is tried again."""
    with Mosquitto(users={"echo": "right-secret"}) as broker:
        wrong = broker.url.replace("//", "//echo:wrong-secret@")
        with ServerThread(wrong):
            await eventually(lambda: log.has("no connection", "not authorized", "trying again"))
            await eventually(lambda: broker.log().count("not authorised") > 1)
        with ServerThread(broker.url.replace("//", "//echo:right-secret@")):
            await eventually(lambda: log.has("connected"))
    assert log.count("no connection") == 1
    assert not log.has("secret")


async def test_what_the_broker_does_not_allow_is_said(log: Log) -> None:
    """The first reply that an ACL does not let through gets a line in the log."""
    acl = ["user echo", "topic read #", "user device", "topic #"]
    with (
        Mosquitto(users={"echo": "a", "device": "b"}, acl=acl) as broker,
        ServerThread(broker.url.replace("//", "//echo:a@")),
    ):
        await subscribed(log)
        async with Device(broker.url.replace("//", "//device:b@"), ASYNC.topic) as device:
            await device.send(HI)
            await device.send(HI)
            await eventually(lambda: log.has(device.reply_topic, "not authorized"))
    assert sum("not authorized" in line for line in log.lines) == 1


async def test_the_second_of_two_with_one_client_id_is_named(broker: Mosquitto, log: Log) -> None:
    """Who loses the session to another process with the same client id finds that in the log."""
    broker.start()
    with ServerThread(broker.url, client_id="one"):
        await eventually(lambda: log.has("connected"))
        with ServerThread(broker.url, client_id="one"):
            await eventually(
                lambda: log.has("gone", "does another process use the client id 'one' too")
            )


async def test_over_the_broker_s_limit_there_is_no_reply_and_nothing_ends(log: Log) -> None:
    """What the broker drops is not answered; what it would not take as a reply gets a line."""
    settings = [*KEEPS, "max_packet_size 1000"]
    with Mosquitto(settings=settings) as broker, ServerThread(broker.url):
        await subscribed(log)
        async with Device(broker.url, ASYNC.topic) as device:
            grows = b'{"message":[' + b",".join([b"1e15"] * 150) + b"]}"
            await device.send(grows)
            assert await device.ask(HI) == HI_BACK
    assert log.has(device.reply_topic, "not published", "1000 bytes")


async def test_a_packet_at_the_broker_s_limit_is_measured_with_its_properties(log: Log) -> None:
    """Of packets around the limit none ends the connection, user properties included."""
    properties = {"from": "room"}

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for size in range(950, 1010):
            content = {"topic": "t", "payload": b"x" * size, "user_properties": properties}
            await send({"type": "mqtt.pub", "mqtt": {**content, "qos": 0}})
            await send({"type": "mqtt.pub", "mqtt": content})
        await receive()

    settings = [*KEEPS, "max_packet_size 1000"]
    with Mosquitto(settings=settings) as broker, ServerThread(broker.url, application):
        await eventually(lambda: log.has("t: not published") or log.has("gone"))
        await asyncio.sleep(0.5)
    assert not log.has("gone")


async def test_what_a_broker_no_longer_takes_is_not_published_again(log: Log) -> None:
    """A broker that comes back with a smaller limit keeps the connection, and is sent the rest."""
    is_frozen = threading.Event()

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if not is_frozen.is_set():
            await asyncio.to_thread(is_frozen.wait)
            for size in (2000, 5):
                content = {"topic": "t", "payload": b"x" * size, "retain": True}
                await send({"type": "mqtt.pub", "mqtt": content})
        await receive()

    with Mosquitto() as first, ServerThread(first.url, application):
        await eventually(lambda: log.has("connected"))
        os.kill(first.pid, signal.SIGSTOP)
        is_frozen.set()
        await asyncio.sleep(0.2)
        first.kill()
        await eventually(lambda: log.has("gone"))
        settings = [*KEEPS, "max_packet_size 1000"]
        with Mosquitto(port=first.port, settings=settings) as second:
            await eventually(lambda: log.count("connected") == 2)
            async with Device(second.url, ASYNC.topic) as device:
                device.connection.subscribe("t", 1)
                assert (await device.message()).payload == b"x" * 5
            assert log.has("t: not published", "1000 bytes")
            assert log.count("gone") == 1


async def test_a_consumer_that_publishes_after_the_loss_of_a_full_connection_ends(log: Log) -> None:
    """Its send returns, also where the broker had not acknowledged as much as it takes at once."""
    is_frozen, has_ended = threading.Event(), threading.Event()

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.to_thread(is_frozen.wait)
        publication = {"type": "mqtt.pub", "mqtt": {"topic": "t", "payload": b"x"}}
        await send(publication)
        while (await receive())["type"] != "mqtt.disconnect":
            pass
        await send(publication)
        has_ended.set()

    settings = [*KEEPS, "max_inflight_messages 1"]
    with Mosquitto(settings=settings) as broker, ServerThread(broker.url, application):
        await eventually(lambda: log.has("connected"))
        os.kill(broker.pid, signal.SIGSTOP)
        is_frozen.set()
        await asyncio.sleep(0.2)
        broker.kill()
        await eventually(has_ended.is_set)


async def test_a_broker_that_acknowledges_nothing_leaves_ids_for_subscriptions() -> None:
    """Publishing waits before all ids are in use, where a search for a free one would not end."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x20\x03\x00\x00\x00")
        with suppress(OSError):
            while await reader.read(65_536):
                pass

    async def publish(connection: Connection) -> None:
        while True:
            await connection.publish(Message("t", b"", 1, retain=False))

    async with tcp_server(accept) as port:
        connection = await Connection.open(
            read_url(f"mqtt://127.0.0.1:{port}"), "one", 5, lambda _: None, lambda _: None
        )
        publishing = asyncio.create_task(publish(connection))
        await asyncio.sleep(0)  # it runs until it has to wait
        publishing.cancel()
        published = len(connection.unacknowledged)
        assert published < packets.LARGEST_ID
        connection.subscribe("t", 1)
        connection.abort()


async def test_over_the_broker_s_message_size_limit_the_log_says_so(log: Log) -> None:
    """A payload over it reaches no one and a reply over it no device, and the next is answered."""
    settings = [*KEEPS, "message_size_limit 1000"]
    with Mosquitto(settings=settings) as broker, ServerThread(broker.url):
        await subscribed(log)
        async with Device(broker.url, ASYNC.topic) as device:
            await device.send(b"x" * 1001)
            grows = b'{"message":[' + b",".join([b"1e15"] * 150) + b"]}"
            await device.send(grows)
            assert await device.ask(HI) == HI_BACK
            too_large = "the packet is too large"
            await eventually(lambda: log.has(device.topic, too_large))
            await eventually(lambda: log.has(device.reply_topic, too_large))


@each_device
async def test_nothing_is_lost_over_two_restarts(
    broker: Mosquitto, log: Log, exhibit: Exhibit
) -> None:
    """Of 2,000 messages at QoS 1, published while the broker restarts twice, each is answered."""
    broker.start()
    device = Device(broker.url, exhibit.topic)
    answered: set[bytes] = set()

    async def publish() -> None:
        for payload in NUMBERED:
            while not await device.publish(payload):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.0005)

    async def collect() -> None:
        while len(answered) < len(NUMBERED):
            answered.add((await device.messages.get()).payload)

    async def restart() -> None:
        for count in (len(NUMBERED) // 4, len(NUMBERED) // 2):
            while len(answered) < count:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(broker.restart)

    with ServerThread(broker.url):
        await subscribed(log)
        staying = asyncio.create_task(device.stay())
        await device.is_there.wait()
        async with asyncio.timeout(90):
            await asyncio.gather(publish(), collect(), restart())
        staying.cancel()
        await device.close()
    assert answered == set(NUMBERED)
    assert sum("gone" in line for line in log.lines) == 2


@each_device
async def test_a_server_that_ends_answers_what_it_has_taken(
    broker: Mosquitto, log: Log, exhibit: Exhibit
) -> None:
    """What a server has no time to finish, the next one answers: nothing is lost."""
    broker.start()
    async with (
        Device(broker.url, exhibit.topic) as device,
        Device(broker.url, exhibit.topic) as slow,
    ):
        with ServerThread(broker.url, client_id="one"):
            await subscribed(log)
            await slow.send(b'{"message": 1, "delay": 1}')
            await slow.send(b'{"message": 2, "delay": 0.01}')
            for payload in NUMBERED[:100]:
                await device.send(payload)
            assert await device.receive() == NUMBERED[0]
            began = time.monotonic()
        assert time.monotonic() - began < 5
        assert slow.messages.empty()
        with ServerThread(broker.url, client_id="one"):
            assert [await slow.receive() for _ in range(2)] == [
                b'{"message":1}',
                b'{"message":2}',
            ]
            assert {await device.receive() for _ in NUMBERED[1:100]} == set(NUMBERED[1:100])


async def test_a_server_ends_within_a_second(broker: Mosquitto) -> None:
    """An application that goes on, even when it is cancelled, is given up within a second."""
    runs, given_up = asyncio.Event(), asyncio.Event()
    late = 0.0  # because the machine does something else

    async def stubborn(_scope: object, _receive: object, _send: object) -> None:
        runs.set()
        while not given_up.is_set():
            with suppress(asyncio.CancelledError):
                await given_up.wait()

    async def count() -> None:
        nonlocal late
        while True:
            began = loop.time()
            await asyncio.sleep(0.05)
            late += loop.time() - began - 0.05

    loop = asyncio.get_running_loop()
    broker.start()
    one = server.Server(stubborn, read_url(broker.url), "stubborn")
    running = asyncio.create_task(one.run())
    async with asyncio.timeout(TIMEOUT):
        await runs.wait()
        began = loop.time()
        counting = asyncio.create_task(count())
        one.end()
        await running
    counting.cancel()
    given_up.set()
    assert loop.time() - began - late < 1


async def test_what_waits_while_no_server_runs_is_answered(broker: Mosquitto, log: Log) -> None:
    """Requests at QoS 1 wait in the session of a server that is not running."""
    broker.start()
    with ServerThread(broker.url, client_id="one"):
        await subscribed(log)
    async with Device(broker.url, ASYNC.topic) as device:
        await device.send(HI)
        await asyncio.sleep(0.1)
        assert device.messages.empty()
        with ServerThread(broker.url, client_id="one"):
            assert await device.receive() == HI_BACK


@each_device
async def test_what_waits_for_a_consumer_that_fails_is_answered_later(
    broker: Mosquitto, log: Log, exhibit: Exhibit
) -> None:
    """A request whose consumer cannot begin outlives the server, and holds up no other topic."""
    works: Any = import_string(exhibit.consumer)

    class Fails(works):  # type: ignore[misc] # whose type is not known before
        def mqtt_connect(self, _event: Any) -> None:
            raise ArithmeticError

    one, two = "sandbox/one/<client>/request", "sandbox/two/<client>/request"

    def serving(consumer: Any) -> ServerThread:
        routes = topic(one, consumer.as_asgi()), topic(two, works.as_asgi())
        return ServerThread(broker.url, TopicRouter(routes), "server")

    broker.start()
    async with Device(broker.url, one) as device, Device(broker.url, two) as other:
        with serving(Fails):
            await eventually(lambda: log.count("+/request: subscribed") == 2)
            await device.send(HI)
            await eventually(lambda: log.has(device.topic, "the consumer has failed"))
            assert await other.ask(HI) == HI_BACK
            assert device.messages.empty()
        with serving(works):
            assert await device.receive() == HI_BACK


async def test_the_connection_can_be_encrypted(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An mqtts:// broker is reached with TLS, and one whose certificate is unknown is refused."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    port = free_port()
    listener = [
        f"listener {port} 127.0.0.1",
        f"certfile {tmp_path / 'cert.pem'}",
        f"keyfile {tmp_path / 'key.pem'}",
    ]
    url = f"mqtts://localhost:{port}"
    with Mosquitto(settings=[*KEEPS, *listener]):
        with ServerThread(url):
            await eventually(lambda: log.has("no connection", "certificate"))
        trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
        with ServerThread(url):
            async with Device(url, ASYNC.topic) as device:
                await subscribed(log)
                assert await device.ask(HI) == HI_BACK


async def test_a_broker_that_keeps_tls_open_is_left_all_the_same(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that ends leaves no socket open where the broker does not answer its goodbye."""
    authority = trustme.CA()
    tls, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(tls)
    authority.configure_trust(trusting)
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    left = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x03\x00\x00\x00")
        with suppress(OSError):
            while await reader.read(1000):
                pass
        writer.close()
        left.set()

    async with await asyncio.start_server(accept, "127.0.0.1", ssl=tls) as broker:
        port = broker.sockets[0].getsockname()[1]
        with ServerThread(f"mqtts://localhost:{port}"):
            await eventually(lambda: log.has("connected"))
            # Its end is waited for without the event loop, so the broker answers nothing.
        gc.collect()  # a socket that was left open is a warning, and so an error
        async with asyncio.timeout(TIMEOUT):
            await left.wait()


async def test_an_application_that_fails_is_said(broker: Mosquitto, log: Log) -> None:
    """An application that ends is an error in the log, and runs again, each time after longer."""
    began: list[float] = []

    async def failing(_scope: object, _receive: object, _send: object) -> None:
        began.append(time.monotonic())
        raise ArithmeticError

    broker.start()
    with ServerThread(broker.url, failing):
        await eventually(lambda: len(began) > 3)
    assert log.has("the application has failed")
    # A pause is random, from a half of its length on. Without growth it could be 3 in all.
    assert began[3] - began[0] >= (1 + 2 + 4) / 2 * server.FIRST_PAUSE


async def test_the_acl_of_the_documentation_keeps_devices_apart(log: Log) -> None:
    """With it each device is answered on topics of its own name, and no other can ask for it."""
    document = (ROOT / "docs" / "mqtt.md").read_text()
    (acl,) = re.findall(r"```text\n(user echo\n.*?)```", document, re.DOTALL)
    users = dict.fromkeys(("echo", "one", "two"), "secret")
    with Mosquitto(users=users, acl=acl.splitlines()) as broker:
        urls = {user: broker.url.replace("//", f"//{user}:secret@") for user in users}
        with ServerThread(urls["echo"]):
            await subscribed(log)
            async with (
                Device(urls["one"], ASYNC.topic, client="one") as one,
                Device(urls["two"], ASYNC.topic, client="two") as two,
            ):
                two.connection.subscribe(one.reply_topic, 1)
                await two.publish(b'{"message": "not mine"}', topic=one.topic)
                for device in (one, two):
                    assert await device.ask(HI) == HI_BACK
                    assert device.messages.empty()
