"""What the rooms remember."""

from typing import Any

from django.db import models
from django.db.models import Subquery
from django.db.models.functions import Coalesce


class Message(models.Model):
    """One message of one room, with its number there: 1, 2, 3 and so on, without a gap."""

    room = models.CharField(max_length=94)
    # Because of the default the INSERT returns the number, so that it needs no second query.
    number = models.PositiveBigIntegerField(db_default=0)
    text = models.TextField()
    """The message as JSON."""
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["room", "number"], name="history_room_number"),
        )

    def __str__(self) -> str:
        return f"{self.room} {self.number}"


def numbered(room: str, text: str) -> dict[str, Any]:
    """Return what to create a message with: its INSERT computes the next number of the room.

    A number is given only after the one before it is committed, so a reader that sees a message
    sees all that come before it. On PostgreSQL two INSERTs at the same time can get the same
    number: then one of them raises IntegrityError.
    """
    newest = Message.objects.filter(room=room).order_by("-number").values("number")[:1]
    return {"room": room, "number": Coalesce(Subquery(newest), 0) + 1, "text": text}
