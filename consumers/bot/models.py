"""Which bot sits in which room."""

from django.db import models


class Invitation(models.Model):
    """One bot in one room. It is stored, so that it outlives every restart."""

    room = models.CharField(max_length=94)
    bot = models.CharField(max_length=20)
    """The channel that the bot is behind."""

    class Meta:
        constraints = (models.UniqueConstraint(fields=["room", "bot"], name="bot_once_a_room"),)

    def __str__(self) -> str:
        return f"{self.bot} in {self.room}"
