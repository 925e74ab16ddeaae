"""What happens while the database does not answer."""

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError

from consumers.contract import Error

logger = logging.getLogger("consumers")

PAUSE = 1.0
"""Seconds between two attempts to reach a database that does not answer."""
NO_TABLE = re.compile("no such table|relation .* does not exist")
UNAVAILABLE = Error("unavailable", "The database does not answer: try again in a moment.")


class UnavailableError(Exception):
    """The database does not answer."""


def is_outage(error: Exception) -> bool:
    """Whether it means that the database does not answer, and is not about a value."""
    return isinstance(error, DatabaseError | InterfaceError) and not isinstance(
        error, DataError | IntegrityError
    )


class Outage:
    """Lets one attempt at a time reach a database that does not answer.

    All others fail at once, for each attempt can hold a thread until a timeout. The log has one
    line when an outage begins and one when it ends.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._lasts = False
        self._next_attempt = 0.0
        self._ended_at = 0.0

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Put this around what asks the database. Raises UnavailableError."""
        began = monotonic()
        if self._lasts:
            if began < self._next_attempt:
                raise UnavailableError
            self._next_attempt = math.inf
        try:
            yield
        except Exception as error:
            if not is_outage(error):
                raise
            if began >= self._ended_at:  # or the database has answered in the meantime
                self.begin(error)
            raise UnavailableError from error
        else:
            self._end()
        finally:
            self._next_attempt = monotonic() + PAUSE

    def begin(self, error: Exception) -> None:
        """Note that the database did not answer; ``watch`` notes when it does again."""
        if not self._lasts:
            self._lasts = True
            reason = str(error).partition("\n")[0].rstrip(".")
            advice = ": run manage.py migrate" if NO_TABLE.search(reason) else ""
            logger.warning("The database cannot be %s: %s%s.", self._what, reason, advice)

    def _end(self) -> None:
        if self._lasts:
            self._lasts = False
            self._ended_at = monotonic()
            logger.warning("The database can be %s again.", self._what)


# Those of this process. A database that cannot be written, because it is locked or because its disk
# is full, can still be read.
reading = Outage("read")
writing = Outage("written")
