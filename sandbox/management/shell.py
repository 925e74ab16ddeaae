"""What the commands share: their exit statuses, and what they check before they start."""

import os
from argparse import ArgumentParser
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sandbox.processes.child import terminable
from sandbox.processes.environments import Environment, RequirementsError, environment
from sandbox.processes.servers import ServerError, check_startable

FAILED = 1
USAGE = 2
INTERRUPTED = 130


class AnyOrderCommand(BaseCommand):
    """A command whose options may come before its names, after them, or between."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Otherwise argparse refuses a name after an option if there is one before it.
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign] # Django has no hook for the parser's class
        return parser


class UsageError(CommandError):
    """The command cannot do this; the message says what it can do. The exit status is 2."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=USAGE)


def check_writable(paths: Iterable[Path]) -> None:
    """Raise UsageError for a path that cannot be written. Leaves no file that was not there."""
    for path in paths:
        try:
            is_new = not (path.exists() or path.is_symlink())
            path.open("a").close()
            if is_new:
                path.unlink()
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}.") from error


def check_folder(path: Path | None) -> None:
    """Raise UsageError unless files can be written next to a path, if there is one."""
    if path and not os.access(path.parent, os.W_OK):
        raise UsageError(f"No files can be written in {path.parent}.")


def check_installed(extra: str, *packages: str) -> None:
    """Raise UsageError unless all packages are there; ``extra`` is what brings them."""
    if not all(map(find_spec, packages)):
        raise UsageError(
            f"{', '.join(packages)} are needed: pip install -e '.[{extra}]' installs them."
        )


def check_servers(names: Iterable[str]) -> None:
    """Raise UsageError for a server that cannot be started, before another one runs for minutes."""
    try:
        for name in names:
            check_startable(name)
    except ServerError as error:
        raise UsageError(str(error)) from error


def add_with(parser: ArgumentParser) -> None:
    """Add the option ``--with``, whose values made_environments() takes."""
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="environments",
        metavar="REQUIREMENTS",
        help="run each server in this environment and in one with these versions, such as "
        "'channels==4.1.*' or 'channels==4.0.* daphne==4.0.*'; other packages keep their "
        "version. An environment is made when it is first needed; repeatable",
    )


def made_environments(requirements: Iterable[str]) -> list[Environment]:
    """Find or make the environment of each set of requirements, before any server starts.

    Raises UsageError.
    """
    terminal = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    made = []
    try:
        with (
            terminable(),
            Progress(
                *columns, console=terminal, transient=True, disable=not terminal.is_terminal
            ) as progress,
        ):
            for one in dict.fromkeys(requirements):
                task = progress.add_task(f"An environment with {one}", total=None)
                made.append(environment(one))
                progress.remove_task(task)
    except RequirementsError as error:
        raise UsageError(str(error)) from error
    except KeyboardInterrupt as error:
        raise CommandError("Interrupted.", returncode=INTERRUPTED) from error
    return made
