"""What the commands share: their exit statuses, and what they check before they start."""

import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from django.core.management.base import CommandError

FAILED = 1
USAGE = 2
INTERRUPTED = 130


class UsageError(CommandError):
    """What was asked for cannot be done; the message says what can. The exit status is 2."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=USAGE)


def check_writable(paths: Iterable[Path]) -> None:
    """Raise UsageError for a path that cannot be written."""
    for path in paths:
        try:
            path.open("a").close()
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}.") from error


def check_folder(path: Path | None) -> None:
    """Raise UsageError unless files can be written next to a path, if there is one."""
    if path and not os.access(path.parent, os.W_OK):
        raise UsageError(f"{path.parent} is no folder in which files can be written.")


def check_installed(extra: str, *packages: str) -> None:
    """Raise UsageError unless all packages are there; ``extra`` is what brings them."""
    if not all(map(find_spec, packages)):
        raise UsageError(
            f"{', '.join(packages)} are needed: pip install -e '.[{extra}]' brings them."
        )
