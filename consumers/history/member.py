"""What all consumer types do in the same way as a member of a room that remembers."""

from asyncio import CancelledError, Future, ensure_future, timeout, wait
from contextlib import suppress
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

from django.conf import settings

from consumers.channel_layer import LAYER_ERRORS, LAYER_SECONDS
from consumers.contract import Error
from consumers.history.replies import after_in
from consumers.rooms import member


class Room:
    """What this process knows about a room that it has members of."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.newest = 0
        """The highest number that a member has sent. A hint: threads may set it back."""
        self.checked_at = monotonic()

    def may_have_more(self, last: int) -> bool:
        """Whether a member should ask the database now; one does for all others of the room."""
        if self.newest > last:
            return True
        if monotonic() - self.checked_at < settings.HISTORY_CHECK_SECONDS:
            return False
        self.checked_at = monotonic()
        return True


_rooms: WeakValueDictionary[str, Room] = WeakValueDictionary()


class Member(member.Member):
    """A mixin for any consumer type: it sends each message of a room once and in order.

    A message is stored, then published. The channel layer can lose what is published, so an event
    is only a hint: a member that sees a gap, or has sent nothing for a while, asks the database.
    """

    group_prefix = "hist."  # with the longest name of a room one character below the limit
    begun = False
    """Whether it is known after which message to begin: the database has to answer first."""
    last = 0
    """The number of the last message that was sent."""
    after: int | Error | None
    """What the client asked for."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name = scope["url_route"]["kwargs"]["room"]
        self.room = _rooms.setdefault(name, Room(name))
        self.after = after_in(scope)
        self._next_event = receive
        self._pending: Future[Any] | None = None
        self._check_at = monotonic() + settings.HISTORY_CHECK_SECONDS
        self._last_at_check = -1
        try:
            await super().__call__(scope, self._next_event_or_check, send)
        finally:
            if self._pending:
                self._pending.cancel()
                with suppress(CancelledError):
                    await self._pending

    async def _next_event_or_check(self) -> Any:
        """Return the client's next event, or now and then an event of our own.

        The wait for the client's event is never cancelled: a server could lose it.
        """
        self._pending = self._pending or ensure_future(self._next_event())
        while True:
            if (seconds := self._check_at - monotonic()) > 0:
                if (await wait([self._pending], timeout=seconds))[0]:
                    event, self._pending = self._pending.result(), None
                    return event
            else:
                self._check_at = monotonic() + settings.HISTORY_CHECK_SECONDS
                was_idle = self.last == self._last_at_check
                self._last_at_check = self.last
                if self.joined and was_idle and self._is_due():
                    return {"type": "history.check"}

    def _is_due(self) -> bool:
        return not self.begun or self.room.may_have_more(self.last)

    async def announce(self, number: int, text: str) -> None:
        """Publish a message that is stored. What is lost here, the members find by their check."""
        event = {"type": "history.message", "id": number, "text": text}
        with suppress(*LAYER_ERRORS):
            async with timeout(LAYER_SECONDS):
                await self.channel_layer.group_send(self.group, event)


def is_time_to_forget(number: int) -> bool:
    """Whether to delete old messages, which needs no query for every new one."""
    return number % max(1, settings.HISTORY_KEPT // 10) == 0
