"""What a probe is, and short ways to write the common ones."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from sandbox.compare.observations import ErrorReply, Expected, Reply
from sandbox.compare.steps import Ask, AwaitDisconnect, RunCase, SendRaw, Step, request_of

Protocol: TypeAlias = Literal["websocket", "http", "mqtt"]

HI, HI_BACK = '{"message": "hi"}', Reply('{"message":"hi"}')

NO_FRAMES = "Only WebSockets have frames."
NO_HANDSHAKE = "HTTP has no WebSocket handshake."
NO_PIPELINE = "HTTP clients wait for a response before the next request."
NO_CLOSE = "HTTP has no close codes."
NO_TEXT_OR_BINARY = "Only WebSockets tell text from binary messages."
NO_PARTS = "An MQTT message comes in one part."
NO_CAP = "Only over WebSockets is there a cap besides the contract's."
NO_METHODS = "WebSocket messages have no methods, statuses or headers."


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to an exhibit."""

    id: str
    sentence: str
    """What the contract promises."""
    steps: tuple[Step, ...]
    expected: Expected
    """What the steps see where the promise is kept."""
    only: tuple[Protocol, ...] = ()
    """The protocols it applies to, if not to all."""
    because: str = ""
    """Why it does not apply to the others."""
    exact: bool = False
    """Bytes count, even for an edition that writes JSON in its own way."""
    watches_clock: bool = False
    """No other probe may run at the same time."""
    group: str = ""
    by_default: bool = True
    """Otherwise it is put only when it is named."""
    seconds: float | None = None
    """How long one of its steps may take, if longer than those of others."""

    def applies_to(self, protocol: Protocol) -> bool:
        return not self.only or protocol in self.only

    @property
    def is_case(self) -> bool:
        """Whether a test suite runs it, in its own way."""
        return any(isinstance(step, RunCase) for step in self.steps)

    @property
    def half_closes(self) -> bool:
        return any(isinstance(step, SendRaw) and step.half_close for step in self.steps)

    @property
    def reads_log(self) -> bool:
        return any(isinstance(step, AwaitDisconnect) for step in self.steps)


def group(
    name: str, *probes: Probe, only: tuple[Protocol, ...] = (), because: str = ""
) -> tuple[Probe, ...]:
    """Give the probes of one file their group, and the protocols unless they name some."""
    return tuple(
        replace(probe, group=name, only=probe.only or only, because=probe.because or because)
        for probe in probes
    )


def echo(id: str, sentence: str, message: str, echoed: str | None = None) -> Probe:  # noqa: A002 # of a probe
    """Send ``message``, given as JSON, and see it come back."""
    reply = Reply(f'{{"message":{echoed or message}}}')
    return Probe(id, sentence, (Ask(f'{{"message": {message}}}'),), (reply,))


def error(id: str, sentence: str, request: str | bytes, code: str) -> Probe:  # noqa: A002 # of a probe
    """Send a bad request and see the error with that code."""
    return Probe(id, sentence, (Ask(request),), (ErrorReply(code),))


# Requests by their size and depth, each with its reply.


def arrays(depth: int) -> str:
    return "[" * depth + "]" * depth


def nested(depth: int) -> tuple[str, Reply]:
    """Return a request nested so deep; its own object is the first level."""
    return f'{{"message": {arrays(depth - 1)}}}', Reply(f'{{"message":{arrays(depth - 1)}}}')


def sized(size: int) -> tuple[str, Reply]:
    """Return a request of so many bytes."""
    request = request_of(size)
    return request, Reply(request.replace(" ", ""))
