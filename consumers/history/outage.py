"""What a consumer says and logs when the database does not answer."""

import logging

from django.db import DatabaseError, InterfaceError

from consumers.contract import Error

logger = logging.getLogger("consumers")

DATABASE_ERRORS = (DatabaseError, InterfaceError)
UNAVAILABLE = Error("unavailable", "The database does not answer: try again in a moment.")


class Outage:
    """Logs one line when the database stops answering, and one when it answers again."""

    def __init__(self) -> None:
        self._lasts = False

    def begin(self, error: Exception) -> None:
        if not self._lasts:
            self._lasts = True
            reason = str(error).partition("\n")[0]
            advice = " Run manage.py migrate." if "history_message" in reason else ""
            logger.warning("The database does not answer: %s.%s", reason, advice)

    def end(self) -> None:
        if self._lasts:
            self._lasts = False
            logger.warning("The database answers again.")


outage = Outage()
"""That of this process."""
