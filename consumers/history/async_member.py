"""A member of an asynchronous type."""

from contextlib import suppress
from types import ModuleType
from typing import Any

from django.conf import settings

from consumers.contract import Error, Request, encode
from consumers.history import async_orm
from consumers.history.member import Member, is_time_to_forget
from consumers.history.replies import begin_after, error_reply, lost_reply, message_reply
from consumers.outage import UNAVAILABLE, UnavailableError


class AsyncMember(Member):
    orm: ModuleType = async_orm

    async def publish(self, request: Request | Error) -> str | Error:
        """Store a good request, then send it to all members; return what they get.

        An Error is for the sender alone.
        """
        if isinstance(request, Error):
            return request
        text = encode(request.message)
        try:
            number = await self.orm.store(self.room.name, text)
        except UnavailableError:
            return UNAVAILABLE
        reply = message_reply(number, text)
        await self.announce(number, reply)
        if is_time_to_forget(number):
            with suppress(UnavailableError):
                await self.orm.forget(self.room.name, number - settings.HISTORY_KEPT)
        return reply

    async def enter(self) -> int | None:
        """Join the room; return its newest number, or None if the database does not answer.

        Before the client knows that it is connected: it would miss what is stored in between.
        """
        await self.join()
        try:
            newest: int = await self.orm.newest(self.room.name)
        except UnavailableError:
            return None
        return newest

    async def begin(self, newest: int | None) -> None:
        """Send what the client missed, as soon as the database answers."""
        if newest is None:
            await self.send_text(error_reply(UNAVAILABLE))
        else:
            await self.start(newest)
            await self.catch_up()

    async def start(self, newest: int) -> None:
        """Begin after the id that the client named, or else after the newest."""
        self.begun = True
        self.last, error = begin_after(self.after, newest)
        self.room.newest = max(self.room.newest, newest)
        if error:
            await self.send_text(error_reply(error))

    async def catch_up(self) -> None:
        """Send all that is stored and was not sent."""
        with suppress(UnavailableError):
            if not self.begun:
                await self.start(await self.orm.newest(self.room.name))
            while page := await self.orm.missed(self.room.name, self.last):
                for number, text in page:
                    await self.deliver(number, message_reply(number, text))

    async def deliver(self, number: int, reply: str) -> None:
        """Send the next message, and first whether messages before it are gone."""
        if number > self.last + 1:
            await self.send_text(lost_reply(number))
        await self.send_text(reply, number)
        self.last = number
        self.room.newest = max(self.room.newest, number)

    async def history_message(self, event: Any) -> None:
        """Take a message that was published."""
        if not self.begun:  # it joined before this message was stored
            await self.start(event["id"] - 1)
        if event["id"] == self.last + 1:
            await self.deliver(event["id"], event["text"])
        elif event["id"] > self.last:
            await self.catch_up()

    async def history_check(self, _event: Any) -> None:
        await self.catch_up()

    async def send_text(self, text: str, number: int | None = None) -> None:
        """Send a reply, with its number if it is a message."""
        raise NotImplementedError
