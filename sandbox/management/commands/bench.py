"""``manage.py bench``: a thin shell over sandbox/bench/."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console

from sandbox.bench.exhibits import BY_ID, find, group
from sandbox.bench.experiments import EXPERIMENTS
from sandbox.bench.plan import plan
from sandbox.compare import brokers
from sandbox.management.shell import (
    FAILED,
    INTERRUPTED,
    AnyOrderCommand,
    UsageError,
    add_with,
    check_folder,
    check_installed,
    check_servers,
    check_writable,
    made_environments,
)
from sandbox.processes.child import terminable
from sandbox.processes.redis import NO_PROGRAM, find_server
from sandbox.processes.servers import NAMES, ServerError

if TYPE_CHECKING:
    from sandbox.bench.conditions import Condition
    from sandbox.bench.report import Report
    from sandbox.bench.run import Bench

CONSUMERS = [one for one in BY_ID.values() if not one.is_reference]
"""What may be chosen. The baseline is measured with them always."""
EDITIONS = tuple(dict.fromkeys(group(one.id) for one in CONSUMERS))
SHORTEST, LONGEST = len('{"message":"x"}'), 65_536
"""Bytes of a request: less is none, and the contract refuses more."""
PORTS = 65_535
"""The client has one address, so no more connections to a server are possible."""

N = TypeVar("N", int, float)


def positive(kind: Callable[[str], N]) -> Callable[[str], N]:
    def parse(text: str) -> N:
        try:
            number = kind(text)
        except ValueError:
            number = kind("0")
        if not 0 < number < float("inf"):
            raise ArgumentTypeError(f"{text!r} is not a number over 0.")
        return number

    return parse


def within(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = positive(int)(text)
        if not lowest <= number <= highest:
            raise ArgumentTypeError(f"{text!r} is not a number from {lowest} to {highest}.")
        return number

    return parse


class Command(AnyOrderCommand):
    help = (
        "Measure what each consumer type costs. Each exhibit is measured in turns with the "
        "baseline, a bare ASGI callable: the most that a consumer can reach on that server."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "names",
            nargs="*",
            metavar="EXPERIMENT|EXHIBIT|EDITION",
            help=f"experiments first ({', '.join(EXPERIMENTS)}), then what they "
            f"measure ({', '.join(EDITIONS)}, or such as tuned/websocket): 'bench echo echo' is "
            "the experiment echo on the edition echo. Without names: all experiments except "
            "anatomy, database, delivery, processes, soak and workers",
        )
        parser.add_argument(
            "--server",
            action="append",
            default=[],
            dest="servers",
            choices=(*NAMES, *brokers.NAMES),
            help="repeatable; daphne unless given; for mqtt a broker: mosquitto",
        )
        add_with(parser)
        parser.add_argument(
            "--connections",
            action="append",
            type=within(1, PORTS),
            default=[],
            metavar="N",
            help="how many clients are connected at the same time; repeatable",
        )
        parser.add_argument(
            "--payload",
            action="append",
            type=within(SHORTEST, LONGEST),
            default=[],
            dest="payloads",
            metavar="BYTES",
            help="size of a request in the experiment echo; repeatable",
        )
        parser.add_argument(
            "--idle",
            action="append",
            type=within(1, PORTS),
            default=[],
            metavar="N",
            help="idle sockets in the experiment connections; as many as --connections unless "
            "given; repeatable",
        )
        parser.add_argument(
            "--seconds", type=positive(float), metavar="S", help="how long one turn lasts"
        )
        parser.add_argument(
            "--rounds", type=positive(int), metavar="N", help="how often each turn is repeated"
        )
        parser.add_argument(
            "--minutes",
            type=positive(float),
            metavar="N",
            help="how long the experiment soak lasts on each server",
        )
        parser.add_argument(
            "--quick", action="store_true", help="fewer and shorter turns: a first look"
        )
        parser.add_argument(
            "--peers", action="store_true", help="measure Starlette, FastAPI and BlackSheep too"
        )
        parser.add_argument(
            "--fail-if",
            action="append",
            default=[],
            metavar="CONDITION",
            help="exit with 1 if this is true in every single round, such as 'tuned/websocket "
            "share < 0.9' or '... on uvicorn'; repeatable. docs/benchmarks.md lists the figures",
        )
        parser.add_argument(
            "--hgrm",
            type=Path,
            metavar="FILE",
            help="write the distributions of the experiment latency as HdrHistogram's text, a file "
            "for each: FILE with server, exhibit and load in its name",
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure as JSON")
        parser.add_argument("--html", type=Path, metavar="FILE", help="write one page of charts")

    def handle(
        self, *, names: list[str], servers: list[str], environments: list[str], **options: Any
    ) -> None:
        named, ids = _chosen(names)
        check_writable(filter(None, (options["json"], options["html"])))
        check_folder(options["hgrm"])
        check_installed("bench", "hdrh", "httptools", "picows", "psutil", "uvloop")
        if options["peers"]:
            check_installed("peers", "blacksheep", "fastapi", "starlette")
        # Only now: these need the packages that have just been looked for.
        from sandbox.bench.experiments import experiments as registered  # noqa: PLC0415
        from sandbox.bench.output.terminal import ProgressBar, show  # noqa: PLC0415
        from sandbox.bench.run import Bench  # noqa: PLC0415

        amount = plan(
            quick=options["quick"],
            rounds=options["rounds"],
            seconds=options["seconds"],
            connections=options["connections"],
            payloads=options["payloads"],
            idle=options["idle"],
            minutes=options["minutes"],
        )
        experiments = dict(registered())
        chosen = named or [name for name, one in experiments.items() if one.by_default]
        usual = [exhibit.id for name in chosen for exhibit in experiments[name].usual(amount)]
        if ids and not usual:
            raise UsageError(f"{', '.join(chosen)} measures no exhibits: do not name any.")
        for name in chosen:
            if experiments[name].needs_redis and not find_server():
                raise UsageError(f"{name} cannot be measured: {NO_PROGRAM}")
        usual_server = _check_servers(ids, servers)
        if options["hgrm"] and "latency" not in chosen:
            raise UsageError("--hgrm writes what the experiment latency measures: name it too.")
        progress = ProgressBar(Console(stderr=True))
        bench = Bench(
            list(dict.fromkeys(servers)) or [usual_server],
            chosen,
            find(ids or usual, peers=options["peers"]),
            amount,
            progress,
            [None, *made_environments(environments)],
        )
        conditions = _conditions(options["fail_if"], bench)
        try:
            with progress.shown(), terminable():
                bench.run()
        except ServerError as error:
            raise UsageError(str(error)) from error
        for condition in conditions if bench.report.is_complete else ():
            condition.decide(bench.report)
        _write(bench.report, options)
        self.stdout.ending = ""  # rich ends its lines itself
        show(bench.report, Console(file=self.stdout))  # type: ignore[arg-type] # it has all that rich needs
        if not bench.report.is_complete:
            sys.exit(INTERRUPTED)
        if bench.report.failures:
            sys.exit(FAILED)


def _check_servers(ids: Sequence[str], servers: Sequence[str]) -> str:
    """Return what serves exhibits unless named: a broker serves devices, and only these.

    Raises UsageError.
    """
    devices = [one for one in ids if BY_ID[one].is_device]
    if devices and len(devices) < len(ids):
        raise UsageError(f"{', '.join(devices)} have no URL: measure them alone.")
    known = brokers.NAMES if devices else NAMES
    for server in servers:
        if server not in known:
            raise UsageError(
                f"{server} does not serve {', '.join(ids) or 'these'}: choose from "
                f"{', '.join(known)}."
            )
    if not devices:
        check_servers(servers)
    return known[0]


def _conditions(texts: Sequence[str], bench: "Bench") -> list["Condition"]:
    from sandbox.bench.conditions import ConditionError, parse  # noqa: PLC0415 # needs the extra

    try:
        conditions = [parse(text) for text in texts]
        for condition in conditions:
            condition.check_measured(bench)
    except ConditionError as error:
        raise UsageError(str(error)) from error
    return conditions


def _write(report: "Report", options: Mapping[str, Any]) -> None:
    """Write the files that were asked for."""
    from sandbox.bench.output.hgrm import write_hgrm  # noqa: PLC0415 # these need the extra
    from sandbox.bench.output.html import as_html  # noqa: PLC0415
    from sandbox.bench.output.json import as_json  # noqa: PLC0415

    if options["hgrm"]:
        write_hgrm(report, options["hgrm"])
    if options["json"]:
        options["json"].write_bytes(as_json(report))
    if options["html"]:
        options["html"].write_text(as_html(report))


def _chosen(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell experiments from exhibits. Both have an "echo": the first is the experiment."""
    experiments: list[str] = []
    ids: list[str] = []
    for name in names:
        if name in EXPERIMENTS and name not in experiments and not ids:
            experiments.append(name)
        elif matching := [one.id for one in CONSUMERS if name in {one.id, group(one.id)}]:
            ids += matching
        else:
            raise UsageError(
                f"There is no experiment, exhibit or edition {name!r} to measure: choose from "
                f"{', '.join(EXPERIMENTS)}; {', '.join(EDITIONS)}; "
                f"{', '.join(one.id for one in CONSUMERS)}.",
            )
    return experiments, ids
