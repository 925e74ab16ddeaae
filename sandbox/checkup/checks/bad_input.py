"""What a consumer does with messages that it does not expect, each on a connection of its own.

They are sent one after another, and only when all are sent it is asked whether each connection is
still of use: Daphne takes up to a second to end one.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from websockets.frames import CloseCode

from sandbox import wire
from sandbox.checkup.check import KIB, Check, Cost, Grade
from sandbox.checkup.client import ENDS, NOT_JSON, Caller, Client, Message, as_text, parsed
from sandbox.checkup.outcomes import After, Answer, Gone, Outcome
from sandbox.compare.observations import BinaryMessage, Reply
from sandbox.compare.probe import arrays
from sandbox.wire import ClosedError

GROUP = "Bad input"
DEEP = 20_000
LARGE = 500 * KIB
SETTLE_SECONDS = 1.2
"""A server may look only each second whether a consumer has failed."""
OTHER, LATE_SECONDS = "another client", 0.05
DELIBERATE = {1000, 1003, 1007, 1008, 1009, *range(3000, 5000)}
"""Close codes that say what was wrong, or that the consumer has chosen."""
CONTRACT = "consumers/contract.py"
DIES = (
    "An exception ends the connection of a client for one bad message, and the code does not say "
    "what was wrong with it."
)


def graded(outcome: Outcome, _caller: Caller) -> Grade:
    """Be content with an answer; silence and a deliberate close are worth a note."""
    match outcome:
        case After(closed=int(code)):
            return "note" if code in DELIBERATE else "bad"
        case After(is_useful=False):
            return "bad"
        case After(answers=()):
            return "note"
    return "good"


def _graded_json(outcome: Outcome, caller: Caller) -> Grade:
    """Look at what is answered to something that only Python takes for JSON."""
    if isinstance(outcome, After) and not caller.habits.is_unread:
        texts = [_text(answer) for answer in outcome.answers]
        if any("NaN" in text and isinstance(parsed(text), dict | list) for text in texts):
            return "bad"
    return graded(outcome, caller)


def _graded_bad_text(outcome: Outcome, _caller: Caller) -> Grade:
    """RFC 6455 wants the connection to end."""
    return "good" if isinstance(outcome, After) and outcome.closed is not None else "note"


def _graded_fragments(outcome: Outcome, caller: Caller) -> Grade:
    return "bad" if isinstance(outcome, After) and not outcome.answers else graded(outcome, caller)


def _not_a_number(caller: Caller) -> str:
    return caller.with_value("NaN")


def _text(answer: Answer) -> str:
    return answer.text if isinstance(answer, Reply) else as_text(answer.payload)


def _fragments(caller: Caller) -> tuple[bytes, ...]:
    request = caller.request().encode()
    third = max(1, len(request) // 3)
    return request[:third], request[third : 2 * third], request[2 * third :]


def _deep(caller: Caller) -> str:
    return caller.with_value(arrays(DEEP))


def _large(caller: Caller) -> str:
    return caller.with_value('"' + "x" * LARGE + '"')


BAD_INPUT: tuple[Check, ...] = (
    Check(
        "not-json",
        GROUP,
        "A text that is not JSON.",
        DIES,
        CONTRACT,
        graded,
        payload=lambda _: NOT_JSON,
    ),
    Check(
        "truncated",
        GROUP,
        "The known request without its end.",
        DIES,
        CONTRACT,
        graded,
        payload=lambda caller: caller.request()[:-1],
    ),
    Check(
        "empty-text",
        GROUP,
        "An empty text message.",
        "Channels passes it as text_data='', which is false: code that tests `if text_data` takes "
        "it for a message without text.",
        "consumers/echo/json_websocket.py",
        graded,
        payload=lambda _: "",
    ),
    Check(
        "empty-binary",
        GROUP,
        "An empty binary message.",
        "Channels passes it as bytes_data=b'', which is false, and text_data is None then.",
        "consumers/echo/json_websocket.py",
        graded,
        payload=lambda _: b"",
    ),
    Check(
        "binary",
        GROUP,
        "The known request as a binary message.",
        "Channels passes it as bytes_data, and text_data is None then; any client can send one.",
        "consumers/echo/websocket.py",
        graded,
        payload=lambda caller: caller.request().encode(),
    ),
    Check(
        "bad-utf-8",
        GROUP,
        "A text message that is not UTF-8.",
        "RFC 6455 wants the server to end the connection: no consumer may ever see such a text.",
        "docs/deploying.md#servers",
        _graded_bad_text,
        payload=lambda _: b'{"message": "\xff"}',
        is_bad_text=True,
    ),
    Check(
        "bad-binary",
        GROUP,
        "A binary message that is not UTF-8.",
        "A server lets it through, so decoding it is up to the consumer: UnicodeDecodeError.",
        CONTRACT,
        graded,
        payload=lambda _: b"\xff\xfe\x00",
    ),
    Check(
        "array",
        GROUP,
        "A JSON array where an object is usual.",
        "It is good JSON, so a consumer that only catches JSON errors fails at its first member.",
        CONTRACT,
        graded,
        payload=lambda _: "[1, 2]",
    ),
    Check(
        "null",
        GROUP,
        "The JSON value null.",
        "It is good JSON, and has no members: TypeError.",
        CONTRACT,
        graded,
        payload=lambda _: "null",
    ),
    Check(
        "no-members",
        GROUP,
        "A JSON object without members.",
        "A member that is not there is a KeyError, which ends the connection.",
        CONTRACT,
        graded,
        payload=lambda _: "{}",
    ),
    Check(
        "other-type",
        GROUP,
        "The known request with an object in the place of a text.",
        "What has another type than usual fails where it is first used.",
        CONTRACT,
        graded,
        payload=lambda caller: caller.with_value('{"a": [1, null]}'),
    ),
    Check(
        "nan",
        GROUP,
        "NaN, which Python's json takes, and which is not JSON.",
        "What comes back with NaN in it is no JSON: JSON.parse of a browser raises SyntaxError.",
        CONTRACT,
        _graded_json,
        payload=_not_a_number,
    ),
    Check(
        "deep",
        GROUP,
        f"{DEEP:,} arrays in each other.",
        "Python's json raises RecursionError, which is no ValueError.",
        CONTRACT,
        graded,
        payload=_deep,
        cost=Cost(size=2 * DEEP),
        loads=True,
    ),
    Check(
        "large",
        GROUP,
        f"A message of {LARGE // KIB} KiB, under the cap of every server.",
        "A consumer without a limit of its own works on all of it, and sends all of it on.",
        CONTRACT,
        graded,
        payload=_large,
        cost=Cost(size=LARGE),
        loads=True,
    ),
    Check(
        "fragments",
        GROUP,
        "The known request in three fragments.",
        "A client or proxy may split any message, so it has to be answered like a whole one.",
        "docs/deploying.md#servers",
        _graded_fragments,
        payload=_fragments,
    ),
)


@dataclass
class Tried:
    """A bad message on its way."""

    check: Check
    trace: wire.Trace = field(default_factory=wire.Trace)
    client: Client | None = None
    answers: list[Answer] = field(default_factory=list)
    closed: int | None = None
    is_useful: bool = False
    is_gone: bool = False

    @property
    def outcome(self) -> Outcome:
        return Gone() if self.is_gone else After(tuple(self.answers), self.closed, self.is_useful)

    async def send(self, caller: Caller, other: Client | None = None) -> None:
        """Send it, and hear what comes soon.

        In a room where each client hears all answers, a late one would be taken for the answer to
        the next message. So the next one waits until ``other``, another client, is answered too.
        """
        assert self.client is not None  # noqa: S101 # it was opened
        assert self.check.payload is not None  # noqa: S101 # it is bad input
        payload = self.check.payload(caller)
        send = self.client.send_bad_text if self.check.is_bad_text else self.client.send
        sending = asyncio.create_task(send(payload))  # type: ignore[arg-type] # bad text is bytes
        try:
            messages = await self.client.heard(caller.habits.window)
            if not messages and other is not None:
                await caller.ask_marked(other, OTHER)
                late = await self.client.heard(LATE_SECONDS)
                messages = [message for message in late if OTHER not in as_text(message)]
            for message in messages:
                self._take(message)
        except ClosedError as error:
            self.closed = error.code
        except TimeoutError:  # of the other client: later checks say that no client is answered
            pass
        finally:
            sending.cancel()

    async def settle(self, caller: Caller, seconds: float) -> None:
        """Give the server time to end the connection, and answer its close."""
        if self.client is None or self.closed is not None:
            return
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await self.client.receive(2 * seconds)
                    if not caller.habits.is_shared:  # there it may be the reply to another one
                        self._take(message)
        except TimeoutError:
            pass
        except ClosedError as error:
            self.closed = error.code

    async def ask(self, caller: Caller) -> None:
        """See whether the connection is of use."""
        if self.client is None or self.closed is not None:
            return
        try:
            if caller.habits.is_shared:  # there a reply may be to another one
                await caller.ask_marked(self.client, "useful")
                self.is_useful = True
                return
            reply = await self.client.ask(caller.request())
            self.is_useful = True
            is_odd = reply != caller.habits.reply
            # It may be the late answer to the bad message: then the other one follows.
            if is_odd and not self.answers and await self.client.heard(caller.habits.window):
                self._take(reply)
        except ClosedError as error:
            self.closed = error.code
        except TimeoutError:
            pass

    def _take(self, message: Message) -> None:
        self.answers.append(Reply(message) if isinstance(message, str) else BinaryMessage(message))


async def put(caller: Caller, checks: tuple[Check, ...]) -> list[Tried]:
    """Put all bad messages; one that takes the server down is the last."""
    tried: list[Tried] = []
    while len(tried) < len(checks):
        left = checks[len(tried) :]
        batch = await _put_at_once(caller, left)
        tried += batch
        # A server may take only so many connections of one client, so those of a batch are closed.
        is_whole = len(batch) == len(left) and batch[-1].closed != CloseCode.ABNORMAL_CLOSURE
        if not is_whole and not await caller.is_alive(caller.target.manner.seconds):
            if tried:
                tried[-1].is_gone = True
            break
        if not batch:
            break
    return tried


async def _put_at_once(caller: Caller, checks: tuple[Check, ...]) -> list[Tried]:
    """Put as many of these as there can be connections at the same time."""
    tried: list[Tried] = []
    async with AsyncExitStack() as connections:
        other = None
        if caller.habits.is_shared and caller.habits.mark is not None:
            with suppress(*ENDS):
                other = await connections.enter_async_context(caller.open())
        async with asyncio.TaskGroup() as settling:
            for check in checks:
                one = Tried(check)
                try:
                    one.client = await connections.enter_async_context(caller.open(one.trace))
                except ENDS:
                    break
                tried.append(one)
                await one.send(caller, other)
                left = SETTLE_SECONDS + (len(checks) - len(tried)) * caller.habits.window
                settling.create_task(one.settle(caller, left))
        for one in tried:
            await one.ask(caller)
    return tried


async def put_again(caller: Caller, before: Tried) -> Tried:
    """Put one bad message alone: another one may have ended its connection."""
    one = Tried(before.check)
    async with caller.open(one.trace) as one.client:
        await one.send(caller)
        await one.settle(caller, SETTLE_SECONDS)
        await one.ask(caller)
    return one
