"""The consumer of somebody else's project, into which files are copied: ``chat/consumers.py``."""

import json
import logging
import time
from collections import defaultdict
from threading import Event

from asgiref.sync import async_to_sync
from channels.generic.websocket import WebsocketConsumer

logger = logging.getLogger("chat")

SECONDS = 10.0

released: defaultdict[str, Event] = defaultdict(Event)


class ChatConsumer(WebsocketConsumer):
    """Each text is the name of what it is to do."""

    channel_layer_alias = "rooms"

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        assert not bytes_data
        getattr(self, f"do_{text_data}")()

    def disconnect(self, _code: int) -> None:
        logger.warning("disconnect %s", self.scope["path"])

    def do_scope(self) -> None:
        known = {name: self.scope.get(name) for name in ("client", "scheme", "path", "root_path")}
        self.send(json.dumps(known))

    def do_wait(self) -> None:
        """Block until another connection releases this one."""
        logger.warning("waiting")
        self.send(json.dumps(released[self.scope["path"]].wait(SECONDS)))

    def do_release(self) -> None:
        released[self.scope["path"]].set()
        self.send("released")

    def do_pour(self) -> None:
        """Send more than the buffers of a connection hold."""
        for _ in range(30):
            self.send("x" * 500_000)
            logger.warning("poured")
        logger.warning("poured all")

    def do_sleep(self) -> None:
        logger.warning("sleeping")
        time.sleep(1)
        self.send("slept")

    def do_join(self) -> None:
        async_to_sync(self.channel_layer.group_add)("chat", self.channel_name)
        self.send("joined")

    def do_say(self) -> None:
        self.say(1)

    def do_flood(self) -> None:
        self.say(900)
        self.send("flooded")

    def say(self, times: int) -> None:
        for _ in range(times):
            async_to_sync(self.channel_layer.group_send)("chat", {"type": "chat.message"})

    def chat_message(self, _event: object) -> None:
        self.send("said")
