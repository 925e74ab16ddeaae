"""``manage.py compare``: a thin shell over sandbox/compare/."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from fnmatch import filter as filter_names
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import Progress

from consumers.catalogue import CATALOGUE, DEVICES, EDITIONS, Exhibit
from sandbox.compare import brokers
from sandbox.compare.against import UnreadableError, read
from sandbox.compare.against import against as compare_with
from sandbox.compare.autobahn import MissingSuiteError
from sandbox.compare.engine import questions
from sandbox.compare.output.html import as_html
from sandbox.compare.output.json import as_json
from sandbox.compare.output.markdown import as_markdown
from sandbox.compare.output.matrix import as_document
from sandbox.compare.output.terminal import show
from sandbox.compare.probes import TABLES, table
from sandbox.compare.report import Report
from sandbox.compare.run import UnreachableError, deployed, run, started
from sandbox.management.shell import (
    INTERRUPTED,
    AnyOrderCommand,
    UsageError,
    add_with,
    check_servers,
    check_writable,
    made_environments,
)
from sandbox.processes.child import terminable
from sandbox.processes.servers import NAMES, ServerError

OUTPUTS: dict[str, tuple[Callable[[Report], str], str]] = {
    "json": (as_json, "write everything, with every frame, for programs"),
    "html": (as_html, "write one page, with the frames behind each cell"),
    "matrix": (as_document, "write what /matrix/ of the site shows"),
    "markdown": (as_markdown, "write the tables of docs/matrix.md"),
}


class Command(AnyOrderCommand):
    # The others import the URLs; where that fails, the log of the server says more.
    requires_system_checks = ("redis",)
    help = (
        "Run the same probes against every exhibit, over real sockets, and show in one matrix "
        "where they are the same, where they differ, and why. Exit status: 0 if every cell is as "
        "the contract or a declared difference says, 1 otherwise, 2 for wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "exhibits",
            nargs="*",
            metavar="EXHIBIT|EDITION",
            help="such as tutorial or echo/json-websocket, or all; echo unless given",
        )
        parser.add_argument(
            "--server",
            action="append",
            default=[],
            dest="servers",
            metavar="NAME",
            help=f"{', '.join(NAMES)}; repeatable; daphne unless given; for mqtt a broker. "
            "With --url: which server runs there",
        )
        add_with(parser)
        parser.add_argument(
            "--url",
            help="compare the sandbox that runs at this URL, and start no server; for mqtt the "
            "URL of a broker. For a consumer of your own, use checkup",
        )
        parser.add_argument(
            "--probe",
            action="append",
            default=[],
            dest="probes",
            metavar="ID",
            help="run only this probe, or those of a pattern such as 'autobahn-9.*'; repeatable",
        )
        parser.add_argument(
            "--against",
            type=Path,
            metavar="FILE",
            help="an earlier result of --json or --matrix: show what is new, gone or changed "
            "since, and exit with 1 if anything is gone or changed",
        )
        for option, (_, what) in OUTPUTS.items():
            parser.add_argument(f"--{option}", type=Path, metavar="FILE", help=what)

    def handle(  # noqa: PLR0913 # options that need more than being passed on
        self,
        *,
        exhibits: list[str],
        servers: list[str],
        environments: list[str],
        url: str | None,
        probes: list[str],
        against: Path | None,
        **options: Any,
    ) -> None:
        chosen = _exhibits(exhibits)
        usual_server = _check_servers(chosen, servers, url)
        try:
            asked = questions(chosen, _probes(probes, chosen))
        except MissingSuiteError as error:
            raise UsageError(str(error)) from error
        if not asked:
            raise UsageError(
                f"No such probe applies to {' '.join(exhibits)}: there are probes for "
                f"{', '.join(TABLES)}.",
            )
        outputs = {options[name]: write for name, (write, _) in OUTPUTS.items() if options[name]}
        check_writable(outputs)
        if url is not None and environments:
            raise UsageError("--with starts servers, and --url starts none: give only one of them.")
        venvs = [None, *made_environments(environments)]
        try:
            earlier = read(against) if against else None
        except UnreadableError as error:
            raise UsageError(str(error)) from error
        sources = (
            [deployed(url, servers[0] if servers else None)]
            if url is not None
            else [
                started(server, venv)
                for server in dict.fromkeys(servers or [usual_server])
                for venv in venvs
            ]
        )
        try:
            terminal = Console(stderr=True)
            with (
                terminable(),
                Progress(
                    console=terminal, transient=True, disable=not terminal.is_terminal
                ) as progress,
            ):
                task = progress.add_task("Comparing", total=len(asked) * len(sources))
                report = run(sources, asked, progress=lambda _: progress.advance(task))
        except (ServerError, UnreachableError) as error:
            raise UsageError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError("Interrupted.", returncode=INTERRUPTED) from error
        if earlier:
            report = report.with_changes(compare_with(report, earlier, probes))
        for path, write in outputs.items():
            path.write_text(write(report))
        self.stdout.ending = ""  # rich ends its lines itself
        show(report, Console(file=self.stdout))  # type: ignore[arg-type] # it has all that rich needs
        if not report.is_good:
            sys.exit(1)


def _exhibits(names: Sequence[str]) -> list[Exhibit]:
    chosen: list[Exhibit] = []
    for name in names or ["echo"]:
        matching = [
            *(one for one in CATALOGUE if name in (one.id, one.edition.name, "all")),
            *(one for one in DEVICES if name in (one.id, one.edition.name)),
        ]
        if not matching:
            ids = ", ".join(exhibit.id for exhibit in (*CATALOGUE, *DEVICES))
            raise UsageError(
                f"There is no exhibit or edition {name!r}: choose from {', '.join(EDITIONS)}, "
                f"{ids}.",
            )
        chosen += matching
    return list(dict.fromkeys(chosen))


def _check_servers(exhibits: Sequence[Exhibit], servers: Sequence[str], url: str | None) -> str:
    """Return what serves exhibits unless named: a broker serves devices, and only these.

    Raises UsageError.
    """
    devices = [one.id for one in exhibits if one.is_device]
    if devices and len(devices) < len(exhibits):
        raise UsageError(f"{', '.join(devices)} have no URL: compare them alone.")
    known = brokers.NAMES if devices else NAMES
    for server in servers:
        if server not in known and (devices or server in brokers.NAMES):
            raise UsageError(
                f"{server} does not serve {exhibits[0].id}: choose from {', '.join(known)}."
            )
    if url is not None and brokers.has_url(url) != bool(devices):
        needed = "a broker, such as mqtt://127.0.0.1:1883" if devices else "a server"
        raise UsageError(f"{exhibits[0].id} needs the URL of {needed}.")
    if url is None and not devices:
        check_servers(servers)
    return known[0]


def _probes(names: Sequence[str], exhibits: Sequence[Exhibit]) -> Sequence[str]:
    tables = [*TABLES.values(), *(table(exhibit.edition.probes) for exhibit in exhibits)]
    known = list(dict.fromkeys(probe.id for probes in tables for probe in probes))
    for name in names:
        if not filter_names(known, name):
            raise UsageError(f"There is no probe {name!r}: choose from {', '.join(known)}.")
    return names
