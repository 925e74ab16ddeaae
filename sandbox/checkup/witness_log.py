"""What the witness in front of an application has written down."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

UP = "/checkup-is-it-up"
"""As in ``witness.py``, which is never imported here: it imports the application."""


class Raised(msgspec.Struct, frozen=True):
    """An exception that the application did not catch."""

    event: str
    client: str = ""
    """Whose connection it ended, as ``host:port``."""
    error: str = ""
    message: str = ""
    file: str = ""
    line: int = 0
    versions: dict[str, str] = {}

    @property
    def words(self) -> str:
        return f"{self.error}: {self.message}" if self.message else self.error

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class WitnessLog:
    """The file that ``witness.py`` writes, a line of JSON for each event."""

    path: Path

    def events(self) -> list[Raised]:
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().splitlines(keepends=True)
        return [msgspec.json.decode(line, type=Raised) for line in lines if line.endswith(b"\n")]

    def of(self, client: str) -> Raised | None:
        """Return what ended the connection of a client, if something did."""
        found = [one for one in self.events() if one.event == "raised" and one.client == client]
        return found[-1] if found else None

    def import_error(self) -> Raised | None:
        return next((one for one in self.events() if one.event == "import failed"), None)

    def versions(self) -> dict[str, str]:
        return next((one.versions for one in self.events() if one.event == "loaded"), {})
