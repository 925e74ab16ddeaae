"""What happens while the database does not answer."""

import logging
from time import monotonic
from types import TracebackType
from typing import Self

from django.db import DatabaseError, InterfaceError

from consumers.contract import Error

logger = logging.getLogger("consumers")

PAUSE = 1.0
"""Seconds between two attempts to reach a database that does not answer."""
UNAVAILABLE = Error("unavailable", "The database does not answer: try again in a moment.")


class UnavailableError(Exception):
    """The database does not answer."""


class Database:
    """Put ``with database:`` around what asks the database. Raises UnavailableError.

    While the database does not answer, one attempt a second reaches it. All others fail at once,
    for each attempt can hold a thread until a timeout. The log has one line when an outage begins
    and one when it ends.
    """

    def __init__(self) -> None:
        self._is_away = False
        self._next_attempt = 0.0

    def __enter__(self) -> Self:
        if self._is_away:
            if monotonic() < self._next_attempt:
                raise UnavailableError
            self._next_attempt = monotonic() + PAUSE
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if isinstance(error, DatabaseError | InterfaceError):
            if not self._is_away:
                reason = str(error).partition("\n")[0]
                advice = ": run manage.py migrate" if "history_message" in reason else ""
                logger.warning("The database does not answer: %s%s.", reason, advice)
            self._is_away = True
            self._next_attempt = monotonic() + PAUSE
            raise UnavailableError from error
        if error is None and self._is_away:
            self._is_away = False
            logger.warning("The database answers again.")


database = Database()
"""That of this process."""
