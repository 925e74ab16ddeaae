"""Rooms that remember in any state: each member gets each message, once and in order."""

import json
from asyncio import Runner, gather
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

import pytest
from channels.layers import channel_layers, get_channel_layer
from django.conf import settings as django_settings
from django.test import override_settings
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sandbox.layers.in_memory import InMemoryLayer
from tests.support.history import EXHIBITS, HTTP, InProcess

CHECK_SECONDS = 0.05
runs = iter(range(10**9))


class LosingLayer(InMemoryLayer):
    """Loses as many publications as a test says."""

    lose = 0

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.lose:
            self.lose -= 1
        else:
            await super().group_send(group, message)


class Present(InProcess):
    """A member, and the ids that it has."""

    last: int
    has_sent = False
    """Whether something that it sent may not be stored yet."""


class History(RuleBasedStateMachine):
    """The model is what was sent, and after which id each member began."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = Runner()
        channel_layers.backends.clear()
        self.rooms = [f"{next(runs)}.{name}" for name in ("one", "two")]
        self.present: list[Present] = []
        self.sent: dict[str, list[str]] = {room: [] for room in self.rooms}
        self.stored: dict[str, dict[int, str]] = defaultdict(dict)
        self.left: dict[str, set[int]] = {room: {0} for room in self.rooms}

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.runner.run(coroutine)

    @property
    def layer(self) -> LosingLayer:
        layer: Any = get_channel_layer("rooms")
        assert isinstance(layer, LosingLayer)
        return layer

    async def receive(self, member: Present) -> None:
        """Receive all that is there for a member; it is what every other member gets."""
        while member.last < len(self.sent[member.room]):
            reply = json.loads(await member.receive())
            assert reply["id"] == member.last + 1
            member.last += 1
            stored = self.stored[member.room].setdefault(member.last, reply["message"])
            assert stored == reply["message"]
        member.has_sent = False

    async def settle(self) -> None:
        await gather(*map(self.receive, self.present))

    def pick(self, data: st.DataObject) -> Present:
        return data.draw(st.sampled_from(self.present), label="member")

    # What may happen.

    @rule(exhibit=st.sampled_from(EXHIBITS), room=st.integers(0, 1))
    def join(self, exhibit: Any, room: int) -> None:
        async def join() -> None:
            await self.settle()  # or it would be open after which message it begins
            await member.join()

        member = Present(exhibit, self.rooms[room])
        self.run(join())
        member.last = len(self.sent[member.room])
        self.present.append(member)

    @rule(data=st.data(), exhibit=st.sampled_from(EXHIBITS), room=st.integers(0, 1))
    def resume(self, data: st.DataObject, exhibit: Any, room: int) -> None:
        name = self.rooms[room]
        after = data.draw(st.sampled_from(sorted(self.left[name])), label="after")
        if exhibit.protocol == "http":
            member = Present(exhibit, name, last_event_id=str(after))
        else:
            member = Present(exhibit, name, f"after={after}")
        member.last = after
        self.run(member.join())
        self.present.append(member)

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """Leave in the middle: what is unread is there to resume with."""

        async def leave() -> None:
            if member.has_sent:  # what is not taken yet would be lost with its connection
                await self.receive(member)
            await member.leave()

        member = self.pick(data)
        self.run(leave())
        self.present.remove(member)
        self.left[member.room].add(member.last)

    @precondition(lambda self: self.present)
    @rule(data=st.data(), count=st.integers(1, 5))
    def send(self, data: st.DataObject, count: int) -> None:
        member = self.pick(data)
        for _ in range(count):
            text = f"{len(self.sent[member.room])}"
            self.sent[member.room].append(text)
            self.run(member.send(json.dumps({"message": text})))
            member.has_sent = not member.is_http

    @rule(count=st.integers(1, 6))
    def lose(self, count: int) -> None:
        self.layer.lose += count

    @rule(data=st.data(), room=st.integers(0, 1))
    def repeat(self, data: st.DataObject, room: int) -> None:
        """Let an old event come once more."""
        name = self.rooms[room]
        if stored := self.stored[name]:
            number = data.draw(st.sampled_from(sorted(stored)), label="id")
            text = json.dumps({"id": number, "message": stored[number]})
            event = {"type": "history.message", "id": number, "text": text}
            self.run(self.layer.group_send(f"hist.{name}", event))

    @rule()
    def read(self) -> None:
        self.run(self.settle())

    def teardown(self) -> None:
        async def end() -> None:
            await self.settle()
            for room in self.rooms:
                everything = Present(HTTP, room, "after=0")
                everything.last = 0
                await everything.join()
                self.present.append(everything)
                await self.receive(everything)
                assert sorted(self.stored[room].values()) == sorted(self.sent[room])
            for member in self.present:
                await member.leave()
                assert member.unread() == []

        async def end_all() -> None:
            for member in self.present:
                await member.leave()

        try:
            self.run(end())
        finally:
            self.run(end_all())
            self.runner.close()


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("database")
def test_history_in_any_state() -> None:
    """A member that joins, resumes, leaves or loses events gets each message once and in order."""
    layer = {"BACKEND": f"{__name__}.LosingLayer", "CONFIG": {"capacity": 20}}
    with override_settings(
        CHANNEL_LAYERS={**django_settings.CHANNEL_LAYERS, "rooms": layer},
        HISTORY_CHECK_SECONDS=CHECK_SECONDS,
    ):
        run_state_machine_as_test(
            History,
            settings=settings(
                max_examples=max(50, settings().max_examples // 5),
                stateful_step_count=20,
                # What does not come is waited for, and would be again to find a smaller case.
                phases=set(Phase) - {Phase.shrink, Phase.explain},
            ),
        )
