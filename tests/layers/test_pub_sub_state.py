"""The Pub/Sub layer in any state of its connections: what is lost is counted, the rest is exact."""

import asyncio
import logging
from asyncio import Runner, Task
from collections import Counter
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis as RedisClient

from consumers.channel_layer import LAYER_ERRORS
from sandbox.layers.pub_sub import PubSubLayer
from sandbox.processes.redis import Redis
from tests.support.asgi import TIMEOUT
from tests.support.logs import Log
from tests.support.relay import Relay

ROOMS = ("one", "two")


@dataclass(eq=False)
class Sent:
    """A message; ``arrived`` is False if the layer raised, and so does not know."""

    number: int
    room: str
    sender: int
    arrived: bool = False


@dataclass(eq=False)
class Listener:
    """A member of a room in one of the layers."""

    layer: PubSubLayer
    room: str
    heard: list[int] = field(default_factory=list)
    joined_before: int = 0
    """The number of the first message that was sent when it had joined."""

    async def join(self) -> None:
        self.channel = await self.layer.new_channel()
        self.receiving = asyncio.create_task(self.receive())
        try:
            await self.layer.group_add(self.room, self.channel)
        except BaseException:
            await self.leave()
            raise

    async def receive(self) -> None:
        while True:
            self.heard.append((await self.layer.receive(self.channel))["number"])

    async def leave(self) -> None:
        self.receiving.cancel()
        with suppress(asyncio.CancelledError):
            await self.receiving


async def until(condition: Any) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not await condition():
            await asyncio.sleep(0.01)


class Faults(RuleBasedStateMachine):
    """The model is who is present, and what was sent since they joined."""

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self.redis = redis
        self.runner = Runner()
        self.unhandled: list[Any] = []
        self.runner.get_loop().set_exception_handler(lambda _, what: self.unhandled.append(what))
        self.log = Log()
        logging.getLogger("channels.layers").addHandler(self.log)
        self.relay = Relay(redis.url)
        self.runner.run(self.relay.__aenter__())
        self.layers = [PubSubLayer(hosts=[url]) for url in (redis.url, self.relay.url)]
        self.present: list[Listener] = []
        self.sent: list[Sent] = []
        self.attempts: set[Task[None]] = set()
        self.calm = self.up = True
        self.stalled = False
        self.gaps = [0, 0]
        """How many each layer had counted when it was calm last."""

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.runner.run(coroutine)

    async def attempt(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Await what must succeed in a calm, and may fail or take its time during a fault."""

        async def settle() -> None:
            try:
                await coroutine
            except LAYER_ERRORS:
                assert not calm

        calm = self.calm
        attempt = asyncio.create_task(settle())
        self.attempts.add(attempt)
        seconds = 0.05 if self.stalled else TIMEOUT
        for task in (await asyncio.wait([attempt], timeout=seconds))[0]:
            self.attempts.remove(task)
            task.result()

    async def command(self, *words: str) -> Any:
        async with RedisClient.from_url(self.redis.url) as client:
            return await client.execute_command(*words)  # type: ignore[no-untyped-call] # it has no types

    # Members.

    @rule(layer=st.integers(0, 1), room=st.sampled_from(ROOMS))
    def join(self, layer: int, room: str) -> None:
        async def join() -> None:
            await listener.join()
            listener.joined_before = len(self.sent)
            self.present.append(listener)

        listener = Listener(self.layers[layer], room)
        self.run(self.attempt(join()))

    @rule(layer=st.integers(0, 1), room=st.sampled_from(ROOMS))
    def join_and_give_up(self, layer: int, room: str) -> None:
        async def join() -> None:
            joining = asyncio.create_task(Listener(self.layers[layer], room).join())
            await asyncio.sleep(0)
            joining.cancel()
            with suppress(asyncio.CancelledError, *LAYER_ERRORS):
                await joining

        self.run(join())

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        listener = data.draw(st.sampled_from(self.present), label="listener")
        self.present.remove(listener)
        self.run(listener.leave())

    @rule(layer=st.integers(0, 1), room=st.sampled_from(ROOMS), count=st.integers(1, 5))
    def send(self, layer: int, room: str, count: int) -> None:
        async def send_all() -> None:
            for _ in range(count):
                await self.attempt(self.publish(layer, room))

        self.run(send_all())

    async def publish(self, layer: int, room: str) -> None:
        sent = Sent(len(self.sent), room, layer)
        self.sent.append(sent)
        await self.layers[layer].group_send(room, {"number": sent.number})
        sent.arrived = True

    @rule(seconds=st.sampled_from([0, 0.01]))
    def slow_down(self, seconds: float) -> None:
        """Delay all that goes over the link, which is no fault: nothing is lost."""
        self.relay.delay = lambda _chunk: seconds

    # Faults.

    @precondition(lambda self: self.up)
    @rule(kind=st.sampled_from(["pubsub", "normal"]))
    def kill(self, kind: str) -> None:
        self.calm = False
        self.run(self.command("CLIENT", "KILL", "TYPE", kind))

    @rule()
    def cut(self) -> None:
        self.calm = False
        self.relay.cut()

    @rule()
    def stall(self) -> None:
        self.calm, self.stalled = False, True
        self.relay.stall()

    @precondition(lambda self: self.stalled)
    @rule()
    def resume(self) -> None:
        self.stalled = False
        self.relay.resume()

    @precondition(lambda self: self.up)
    @rule()
    def stop(self) -> None:
        self.calm = self.up = False
        self.redis.kill()

    @precondition(lambda self: not self.up)
    @rule()
    def start(self) -> None:
        self.up = True
        self.redis.start()

    # And what must be true when they are over.

    @rule()
    def settle(self) -> None:
        if self.stalled:
            self.resume()
        if not self.up:
            self.start()
        self.run(self.check())

    async def check(self) -> None:
        if self.attempts:
            done, pending = await asyncio.wait(self.attempts, timeout=TIMEOUT)
            assert not pending
            self.attempts.clear()
            for attempt in done:
                attempt.result()
        await until(self.subscriptions_are_right)
        markers = [
            await self.mark(layer, room) for layer in range(len(self.layers)) for room in ROOMS
        ]

        async def all_have_heard() -> bool:
            return all(
                marker.number in listener.heard
                for listener in self.present
                for marker in markers
                if marker.room == listener.room
            )

        await until(all_have_heard)
        for listener in self.present:
            self.check_heard(listener)
        assert not self.unhandled
        assert not any(layer.drops.count for layer in self.layers)
        self.gaps = [layer.gaps.count for layer in self.layers]
        assert self.log.count(": the subscriptions in Redis are lost") == sum(self.gaps)
        assert self.log.count("Unexpected") == 0
        self.calm = True

    async def mark(self, layer: int, room: str) -> Sent:
        """Publish a message that arrives: at the first try in a calm."""
        while True:
            try:
                await self.publish(layer, room)
            except LAYER_ERRORS:
                assert not self.calm
            else:
                return self.sent[-1]

    async def subscriptions_are_right(self) -> bool:
        wanted = Counter(listener.channel for listener in self.present)
        for layer in self.layers:
            rooms = {listener.room for listener in self.present if listener.layer is layer}
            wanted.update(f"asgi__group__{room}" for room in rooms)
        names = await self.command("PUBSUB", "CHANNELS")
        counts = await self.command("PUBSUB", "NUMSUB", *map(bytes.decode, names))
        found = {name.decode(): count for name, count in pairs(counts)}
        return found == wanted

    def check_heard(self, listener: Listener) -> None:
        """Nothing twice, nothing in another order, nothing lost without a gap that is counted."""
        meant = [one for one in self.sent if one.room == listener.room]
        assert set(listener.heard) <= {one.number for one in meant}
        assert len(set(listener.heard)) == len(listener.heard)
        for sender in range(len(self.layers)):
            known = {one.number for one in meant if one.sender == sender and one.arrived}
            in_order = [number for number in listener.heard if number in known]
            assert in_order == sorted(in_order)
        index = self.layers.index(listener.layer)
        missed = {
            one.number for one in meant if one.arrived and one.number >= listener.joined_before
        } - set(listener.heard)
        if self.layers[index].gaps.count == self.gaps[index]:
            assert not missed
        listener.joined_before = len(self.sent)

    def teardown(self) -> None:
        async def end() -> None:
            for listener in self.present:
                await listener.leave()
            self.present.clear()
            await until(self.subscriptions_are_right)
            for layer in self.layers:
                await layer.flush()
            await self.relay.__aexit__()

        try:
            self.settle()
            self.run(end())
            assert not self.unhandled
        finally:
            logging.getLogger("channels.layers").removeHandler(self.log)
            self.runner.close()


def pairs(flat: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    items = iter(flat)
    return zip(items, items, strict=True)


@pytest.mark.timeout(1200)
def test_any_order_of_faults(redis: Redis) -> None:
    """After any faults, subscriptions are those of live members, who hear all that follows once."""
    run_state_machine_as_test(
        lambda: Faults(redis),  # type: ignore[arg-type] # any function that returns a machine will do
        settings=settings(
            max_examples=max(10, settings().max_examples // 50),
            stateful_step_count=20,
            # A missing message costs a timeout, and would again in every smaller case.
            phases=set(Phase) - {Phase.shrink, Phase.explain},
        ),
    )
