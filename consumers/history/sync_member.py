"""A member of a synchronous type."""

from contextlib import suppress
from types import ModuleType
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings

from consumers.contract import Error, Request, encode
from consumers.history import plain_orm
from consumers.history.member import Member, is_time_to_forget
from consumers.history.replies import begin_after, error_reply, lost_reply, message_reply
from consumers.outage import UNAVAILABLE, UnavailableError


class SyncMember(Member):
    orm: ModuleType = plain_orm

    def publish(self, request: Request | Error) -> str | Error:
        """Store a good request, then send it to all members; return what they get.

        An Error is for the sender alone.
        """
        if isinstance(request, Error):
            return request
        text = encode(request.message)
        try:
            number = self.orm.store(self.room.name, text)
        except UnavailableError:
            return UNAVAILABLE
        reply = message_reply(number, text)
        async_to_sync(self.announce)(number, reply)
        if is_time_to_forget(number):
            with suppress(UnavailableError):
                self.orm.forget(self.room.name, number - settings.HISTORY_KEPT)
        return reply

    def enter(self) -> int | None:
        """Join the room; return its newest number, or None if the database does not answer.

        Before the client knows that it is connected: it would miss what is stored in between.
        """
        async_to_sync(self.join)()
        try:
            newest: int = self.orm.newest(self.room.name)
        except UnavailableError:
            return None
        return newest

    def begin(self, newest: int | None) -> None:
        """Send what the client missed, as soon as the database answers."""
        if newest is None:
            self.send_text(error_reply(UNAVAILABLE))
        else:
            self.start(newest)
            self.catch_up()

    def start(self, newest: int) -> None:
        """Begin after the id that the client named, or else after the newest."""
        self.begun = True
        self.last, error = begin_after(self.after, newest)
        self.room.newest = max(self.room.newest, newest)
        if error:
            self.send_text(error_reply(error))

    def catch_up(self) -> None:
        """Send all that is stored and was not sent."""
        with suppress(UnavailableError):
            if not self.begun:
                self.start(self.orm.newest(self.room.name))
            while page := self.orm.missed(self.room.name, self.last):
                for number, text in page:
                    self.deliver(number, message_reply(number, text))

    def deliver(self, number: int, reply: str) -> None:
        """Send the next message, and first whether messages before it are gone."""
        if number > self.last + 1:
            self.send_text(lost_reply(number))
        self.send_text(reply, number)
        self.last = number
        self.room.newest = max(self.room.newest, number)

    def history_message(self, event: Any) -> None:
        """Take a message that was published."""
        if not self.begun:  # it joined before this message was stored
            self.start(event["id"] - 1)
        if event["id"] == self.last + 1:
            self.deliver(event["id"], event["text"])
        elif event["id"] > self.last:
            self.catch_up()

    def history_check(self, _event: Any) -> None:
        self.catch_up()

    def send_text(self, text: str, number: int | None = None) -> None:
        """Send a reply, with its number if it is a message."""
        raise NotImplementedError
