"""Starting a Mosquitto, an MQTT broker, on a free loopback port, for as long as it is needed."""

import base64
import getpass
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from sandbox.processes.servers import Server, ServerError, free_port, listening

NO_PROGRAM = "There is no mosquitto on PATH or in /usr/sbin."
CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
"""The first packet of a client without a name: every broker answers it, if only to refuse."""
KEEPS = ("max_queued_messages 100000", "max_inflight_messages 1000")
"""By default Mosquitto drops what exceeds 1,000 messages for a client that is away, or busy."""


def find_mosquitto() -> str | None:
    """Find the program on PATH, else where Debian puts it."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Mosquitto:
    """A Mosquitto that can be started again, on the same port and with the same sessions.

    ``users`` are names with passwords; without any, every client is let in. ``acl`` and
    ``settings`` are lines of Mosquitto's own files. As a context manager it runs until the block
    ends. Raises ServerError.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        users: Mapping[str, str] | None = None,
        acl: Sequence[str] = (),
        settings: Sequence[str] = KEEPS,
    ) -> None:
        self.port = port or free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._users = users or {}
        self._acl = acl
        self._settings = settings
        self._folder = ExitStack()
        self._running = ExitStack()
        self._place: Path | None = None
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.close()

    @property
    def pid(self) -> int:
        """The number of the process, while it runs."""
        assert self._server  # noqa: S101 # a mistake of ours
        return self._server.process.pid

    def log(self) -> str:
        """What it has printed since its last start."""
        return self._server.log() if self._server else ""

    def start(self) -> None:
        """Start with what is left of an earlier run, and wait until it answers."""
        program = find_mosquitto()
        if program is None:
            raise ServerError(NO_PROGRAM)
        if self._place is None:
            self._place = Path(self._folder.enter_context(tempfile.TemporaryDirectory()))
            self._configure(self._place)
        command = [program, "-c", str(self._place / "mosquitto.conf")]
        self._server = self._running.enter_context(
            listening("mosquitto", command, self.port, CONNECT)
        )

    def stop(self) -> None:
        """End politely: sessions and what waits for them are stored."""
        self._running.close()

    def kill(self) -> None:
        """End at once, as in a crash: what was not yet stored is lost."""
        if self._server:
            self._server.process.kill()
        self._running.close()

    def restart(self) -> None:
        """End politely, and start again."""
        self.stop()
        self.start()

    def forget(self) -> None:
        """Remove all sessions and retained messages of one that does not run."""
        if self._place:
            (self._place / "mosquitto.db").unlink(missing_ok=True)

    def _configure(self, place: Path) -> None:
        lines = [
            f"listener {self.port} 127.0.0.1",
            # Otherwise a reply at QoS 1 waits some 40 ms behind the PUBACK: Nagle's algorithm.
            "set_tcp_nodelay true",
            f"user {getpass.getuser()}",  # started by root it would become another user
            "persistence true",
            f"persistence_location {place}{os.sep}",
            f"allow_anonymous {str(not self._users).lower()}",
            *self._settings,
        ]
        for name, content in (
            ("password_file", [_hashed(*user) for user in self._users.items()]),
            ("acl_file", self._acl),
        ):
            if content:
                path = place / name
                path.touch(mode=0o600)
                path.write_text("".join(f"{line}\n" for line in content))
                lines.append(f"{name} {path}")
        (place / "mosquitto.conf").write_text("".join(f"{line}\n" for line in lines))


def _hashed(user: str, password: str) -> str:
    """Write a line of a password file, as mosquitto_passwd does."""
    salt, rounds = os.urandom(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    encoded = "$".join(base64.b64encode(part).decode() for part in (salt, digest))
    return f"{user}:$7${rounds}${encoded}"
