"""Rooms in any state: every member receives everything, once, in order, and nothing else."""

import asyncio
import logging
from asyncio import Runner
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from channels.layers import channel_layers, get_channel_layer
from django.conf import settings as django_settings
from django.test import override_settings
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.members import SLUGS, Member, request

ROOMS = ("one", "two")
BAD = '{"message": 1, "delay": "soon"}'


class Present(Member):
    """A member, and what it has not received yet."""

    def __init__(self, number: int, slug: str, room: str) -> None:
        super().__init__(slug, room)
        self.number = number
        self.sent = 0
        self.expected: defaultdict[int, list[str]] = defaultdict(list)
        self.refusals = 0

    @property
    def waits(self) -> bool:
        return any(self.expected.values()) or bool(self.refusals)

    async def hear_everything(self) -> None:
        while self.waits:
            heard = await self.hear()
            if "error" in heard:
                self.refusals -= 1
                assert self.refusals >= 0
            else:
                sender = int(heard.removeprefix('{"message":"').partition(":")[0])
                assert heard == self.expected[sender].pop(0)


class Rooms(RuleBasedStateMachine):
    """The model is the members present, and what each of them has not received yet."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = Runner()
        channel_layers.backends.clear()
        self.present: list[Present] = []
        self.numbers = iter(range(1, 10**6))

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.runner.run(coroutine)

    def pick(self, data: st.DataObject) -> Present:
        member: Present = data.draw(st.sampled_from(self.present), label="member")
        return member

    def expect(self, room: str, sender: int, text: str) -> None:
        for member in self.present:
            if member.room == room:
                member.expected[sender].append(text)

    async def settle(self) -> None:
        await asyncio.gather(*(member.hear_everything() for member in self.present))

    # The rules. Members join and leave only when all that was sent has been received: otherwise it
    # would be undefined which messages they were present for.

    @rule(slug=st.sampled_from(SLUGS), room=st.sampled_from(ROOMS))
    def join(self, slug: str, room: str) -> None:
        async def join() -> None:
            await self.settle()
            await member.join()

        member = Present(next(self.numbers), slug, room)
        self.run(join())
        self.present.append(member)

    @precondition(lambda self: self.present)
    @rule(data=st.data(), code=st.sampled_from([1000, 1006]))
    def leave(self, data: st.DataObject, code: int) -> None:
        async def leave() -> None:
            await self.settle()
            await member.leave(code)

        member = self.pick(data)
        self.run(leave())
        self.present.remove(member)

    @precondition(lambda self: self.present)
    @rule(data=st.data(), count=st.integers(1, 5))
    def send(self, data: st.DataObject, count: int) -> None:
        member = self.pick(data)
        for _ in range(count):
            member.sent += 1
            text = f'{{"message":"{member.number}:{member.sent}"}}'
            self.expect(member.room, member.number, text)
            self.run(member.send(text))

    @rule(room=st.sampled_from(ROOMS))
    def post_from_outside(self, room: str) -> None:
        async def post() -> None:
            status, _, _ = await request(room, "POST", text.encode())
            assert status == 202

        number = next(self.numbers)
        text = f'{{"message":"{number}:1"}}'
        self.expect(room, number, text)
        self.run(post())

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def send_what_is_bad(self, data: st.DataObject) -> None:
        member = self.pick(data)
        member.refusals += not member.is_http  # which is answered in its own response
        self.run(member.send(BAD))

    @rule()
    def hear(self) -> None:
        self.run(self.settle())

    @invariant()
    def no_group_keeps_a_dead_member(self) -> None:
        async def look() -> None:
            layer: Any = get_channel_layer("rooms")
            sizes = {name.rpartition("room.")[2]: len(of) for name, of in layer.groups.items()}
            assert sizes == Counter(member.room for member in self.present)

        self.run(look())

    def teardown(self) -> None:
        async def end() -> None:
            await self.settle()
            for member in self.present:
                await member.leave()  # with nothing left to receive

        async def end_all() -> None:
            for member in self.present:
                await member.end()

        try:
            self.run(end())
        finally:  # a sync consumer's thread would wait for ever for a closed loop
            self.run(end_all())
            self.runner.close()


@pytest.fixture
def quiet() -> Iterator[None]:
    """Keep a thousand connections out of the captured log."""
    logger = logging.getLogger("consumers")
    level = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(level)


IN_MEMORY = {"BACKEND": "sandbox.layers.in_memory.InMemoryLayer", "CONFIG": {"capacity": 500}}


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("layer", ["in-memory", "redis"])
def test_rooms_in_any_state(layer: str, request: pytest.FixtureRequest) -> None:
    """Every member present receives everything, once, in the order of its sender; no other does."""
    examples = settings().max_examples
    if layer == "redis":
        examples //= 2  # each costs three times as much
        hosts = [request.getfixturevalue("redis_url")]
        config = {"hosts": hosts, "capacity": 500}
        rooms = {"BACKEND": "sandbox.layers.pub_sub.PubSubLayer", "CONFIG": config}
    else:
        rooms = IN_MEMORY
    with override_settings(CHANNEL_LAYERS={**django_settings.CHANNEL_LAYERS, "rooms": rooms}):
        run_state_machine_as_test(
            Rooms,
            settings=settings(
                max_examples=examples,
                stateful_step_count=20,
                # A missing message costs a timeout, and would again in every smaller case.
                phases=set(Phase) - {Phase.shrink, Phase.explain},
            ),
        )
