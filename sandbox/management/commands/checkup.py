"""``manage.py checkup``: a thin shell over sandbox/checkup/."""

import re
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from sandbox.checkup.application import Application, interpreter, started
from sandbox.checkup.output.html import as_html
from sandbox.checkup.output.json import as_json
from sandbox.checkup.output.markdown import as_markdown
from sandbox.checkup.output.terminal import show
from sandbox.checkup.plan import CHECKS, plan
from sandbox.checkup.report import Report
from sandbox.checkup.run import run
from sandbox.checkup.target import DEFAULT_REQUEST, Manner, Target, TargetError, cookies, header
from sandbox.management.shell import INTERRUPTED, UsageError, check_writable
from sandbox.processes.child import terminable
from sandbox.processes.servers import ARGUMENTS

OUTPUTS: dict[str, tuple[Callable[[Report], str], str]] = {
    "json": (as_json, "write everything, with every frame, for programs"),
    "html": (as_html, "write one page, with the frames behind each finding"),
    "markdown": (as_markdown, "write a table, for a pull request"),
}
LONGEST_SECONDS = 60.0


class Command(BaseCommand):
    requires_system_checks = ()  # it serves nothing of this project
    help = (
        "Test a WebSocket consumer of yours: what it does with bad input, who may open it, how "
        "it closes, whether one connection makes others wait. Exit status: 0 if nothing is bad, "
        "1 otherwise, 2 for wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", nargs="?", metavar="URL", help="such as ws://host:8000/ws/chat/")
        manner = parser.add_argument_group("how to connect and what to send")
        manner.add_argument(
            "--send",
            default=DEFAULT_REQUEST,
            metavar="TEXT",
            help=f"a request that the consumer answers; {DEFAULT_REQUEST} unless given",
        )
        manner.add_argument(
            "--reply",
            metavar="REGEX",
            help="what the answer looks like; unless given, the next message",
        )
        manner.add_argument("--slow", metavar="TEXT", help="a request that keeps the consumer busy")
        for option, metavar in (
            ("--header", "'NAME: VALUE'"),
            ("--cookie", "NAME=VALUE"),
            ("--subprotocol", "NAME"),
        ):
            manner.add_argument(
                option,
                action="append",
                default=[],
                metavar=metavar,
                help="sent in the handshake; repeatable",
            )
        manner.add_argument("--origin", metavar="ORIGIN", help="such as https://example.com")
        manner.add_argument("--insecure", action="store_true", help="accept any certificate")
        manner.add_argument(
            "--timeout",
            type=float,
            default=5.0,
            metavar="SECONDS",
            help="how long an answer may take; 5 unless given",
        )
        manner.add_argument(
            "--yes-it-is-mine",
            action="store_true",
            help="flood and stall the server even if it is not on loopback",
        )
        app = parser.add_argument_group("to start the application instead of giving a URL")
        app.add_argument("--app", metavar="MODULE:NAME", help="such as mysite.asgi:application")
        app.add_argument(
            "--path", metavar="PATH", help="path of the consumer's URL, such as /ws/chat/"
        )
        app.add_argument(
            "--folder",
            type=Path,
            help="the project's folder; the current one unless given",
        )
        app.add_argument(
            "--python",
            metavar="PATH",
            help="the project's Python; .venv/bin/python in its folder unless given",
        )
        app.add_argument(
            "--server",
            action="append",
            default=[],
            dest="servers",
            metavar="NAME",
            help=f"{', '.join(ARGUMENTS)}; repeatable; daphne unless given",
        )
        parser.add_argument(
            "--check",
            action="append",
            default=[],
            dest="checks",
            metavar="ID",
            help="make only this check; repeatable",
        )
        parser.add_argument(
            "--fail-on",
            choices=["bad", "note"],
            default="bad",
            help="with note, the exit status is 1 also if something is worth a note; bad unless "
            "given",
        )
        for option, (_, what) in OUTPUTS.items():
            parser.add_argument(f"--{option}", type=Path, metavar="FILE", help=what)

    def handle(self, **options: Any) -> None:
        outputs = {options[name]: write for name, (write, _) in OUTPUTS.items() if options[name]}
        check_writable(outputs)
        try:
            report = self._check_up(options)
        except TargetError as error:
            raise UsageError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError("Interrupted.", returncode=INTERRUPTED) from error
        for path, write in outputs.items():
            path.write_text(write(report))
        self.stdout.ending = ""  # rich ends its lines itself
        show(report, Console(file=self.stdout))  # type: ignore[arg-type] # it has all that rich needs
        if not report.is_good(options["fail_on"]):
            sys.exit(1)

    def _check_up(self, options: dict[str, Any]) -> Report:
        manner = _manner(options)
        sources: list[AbstractContextManager[Target]]
        if options["app"] is None:
            _reject(options, "folder", "path", "python", "servers", because="--app")
            if options["url"] is None:
                raise TargetError("Give a URL such as ws://127.0.0.1:8000/ws/chat/, or --app.")
            target = Target.of(options["url"], manner)
            sources, may_load, name = [nullcontext(target)], target.may_be_loaded, target.name
        else:
            if options["url"] is not None:
                raise TargetError("Give a URL or --app, not both.")
            app = _application(options)
            servers = options["servers"] or ["daphne"]
            sources = [started(app, server, manner) for server in servers]
            may_load, name = True, f"{app.name}{app.path} on {', '.join(servers)}"
        planned = plan(manner, may_load=may_load, chosen=_checks(options["checks"]))
        self.stderr.write(f"Checkup of {name}. {planned}")
        if planned.left_out:
            left_out = ", ".join(check.id for check in planned.left_out)
            self.stderr.write(
                f"It is not on loopback, so what floods or stalls is left out: {left_out}. "
                "--yes-it-is-mine includes it."
            )
        terminal = Console(stderr=True)
        with (
            terminable(),
            Progress(
                console=terminal, transient=True, disable=not terminal.is_terminal
            ) as progress,
        ):
            task = progress.add_task("Checking up", total=len(planned.checks) * len(sources))
            return run(sources, planned, progress=lambda: progress.advance(task))


def _manner(options: dict[str, Any]) -> Manner:
    try:
        reply = None if options["reply"] is None else re.compile(options["reply"], re.DOTALL)
    except re.error as error:
        raise TargetError(f"--reply is not a regular expression: {error}.") from error
    if not 0 < options["timeout"] <= LONGEST_SECONDS:
        raise TargetError(f"--timeout must be over 0, and at most {LONGEST_SECONDS:g} seconds.")
    given = [("origin", options["origin"]), *(("subprotocol", s) for s in options["subprotocol"])]
    for name, value in given:
        if value is not None and not re.fullmatch(r"[\x21-\x7e]+", value):
            raise TargetError(f"--{name} has a character that no header may have.")
    return Manner(
        request=options["send"],
        reply=reply,
        headers=(*map(header, options["header"]), *cookies(options["cookie"])),
        origin=options["origin"],
        subprotocols=tuple(options["subprotocol"]),
        insecure=options["insecure"],
        slow=options["slow"],
        seconds=options["timeout"],
        is_mine=options["yes_it_is_mine"],
    )


def _application(options: dict[str, Any]) -> Application:
    path = options["path"]
    if path is None or not re.fullmatch(r"/[\x21-\x7e]*", path):
        raise TargetError("With --app give the --path of the consumer, such as /ws/chat/.")
    if not re.fullmatch(r"[\w.]+:[\w.]+", options["app"]):
        raise TargetError(
            f"{options['app']!r} is not an application: give one such as mysite.asgi:application."
        )
    folder = (options["folder"] or Path()).resolve()
    return Application(options["app"], path, options["python"] or interpreter(folder), folder)


def _reject(options: dict[str, Any], *names: str, because: str) -> None:
    for name in names:
        if options[name]:
            raise TargetError(f"--{name.removesuffix('s')} can only be given with {because}.")


def _checks(ids: list[str]) -> list[str]:
    known = [check.id for check in CHECKS]
    for unknown in set(ids).difference(known):
        raise TargetError(f"There is no check {unknown!r}: choose from {', '.join(known)}.")
    return ids
