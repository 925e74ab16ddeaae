"""Whole conversations: every exhibit is kept in step with the others and with the model."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.support.harness import in_process
from tests.support.strategies import Frame, broken_json, broken_requests, frames, good_requests


class Conversation(RuleBasedStateMachine):
    """Every step goes to all exhibits; ``ask`` asserts that they and the model agree."""

    @initialize()
    def connect(self) -> None:
        self.comparison = in_process()
        self.comparison.open()
        self.is_open = True

    @precondition(lambda self: self.is_open)
    @rule(frame=good_requests())
    def send(self, frame: Frame) -> None:
        self.comparison.ask([frame])

    @precondition(lambda self: self.is_open)
    @rule(batch=st.lists(frames(), max_size=8))
    def pipeline(self, batch: list[Frame]) -> None:
        self.comparison.ask(batch)

    @precondition(lambda self: self.is_open)
    @rule(frame=broken_json() | broken_requests())
    def err(self, frame: Frame) -> None:
        self.comparison.ask([frame])

    @precondition(lambda self: self.is_open)
    @rule(delay=st.sampled_from([0.0005, 0.002]))
    def wait(self, delay: float) -> None:
        self.comparison.ask([f'{{"message":"slow","delay":{delay}}}', '{"message":"next"}'])

    @precondition(lambda self: self.is_open)
    @rule(code=st.sampled_from([1000, 1001, 1006, 4000]))
    def disconnect(self, code: int) -> None:
        self.comparison.close(code)
        self.is_open = False

    @precondition(lambda self: not self.is_open)
    @rule()
    def reconnect(self) -> None:
        self.comparison.open()
        self.is_open = True

    def teardown(self) -> None:
        if self.is_open:
            self.comparison.close(1000)
        self.comparison.end()


TestConversations = Conversation.TestCase
TestConversations.settings = settings(
    max_examples=max(20, settings().max_examples // 25), stateful_step_count=15
)
