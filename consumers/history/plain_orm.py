"""The database in the idiom of synchronous code: Django's ORM.

Each function raises UnavailableError while the database does not answer.
"""

from django.db import IntegrityError
from django.db.models import Max

from consumers.history.models import Message, numbered
from consumers.outage import reading, writing

PAGE = 100
"""Messages a query: it bounds the memory of a catch-up."""


def store(room: str, text: str) -> int:
    """Store a message, and return its number."""
    with writing.watch():
        while True:
            try:
                message = Message.objects.create(**numbered(room, text))
            except IntegrityError:  # another message got this number first
                continue
            return message.number


def newest(room: str) -> int:
    """Return the number of the newest message, 0 if there is none."""
    with reading.watch():
        found = Message.objects.filter(room=room).aggregate(number=Max("number"))
    return found["number"] or 0


def missed(room: str, last: int) -> list[tuple[int, str]]:
    """Return number and text of the first messages after ``last``, a page of them."""
    messages = Message.objects.filter(room=room, number__gt=last).order_by("number")
    with reading.watch():
        return [(message.number, message.text) for message in messages[:PAGE]]


def forget(room: str, last: int) -> None:
    """Delete the messages up to ``last``."""
    with writing.watch():
        Message.objects.filter(room=room, number__lte=last).delete()
