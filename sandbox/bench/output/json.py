"""The report as JSON. ``schema.json`` describes it for other programs."""

from inspect import cleandoc
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import defstruct, field

from sandbox.bench.experiments import experiments
from sandbox.bench.report import SCHEMA, Report

SCHEMA_FILE = Path(__file__).with_name("schema.json")


def as_json(report: Report) -> bytes:
    return msgspec.json.encode(_rounded(report)) + b"\n"


def json_schema() -> bytes:
    """Describe what as_json() writes."""
    schema = msgspec.json.schema(_document())
    for definition in schema["$defs"].values():
        if "description" in definition:  # a docstring, whose indentation Python 3.13 drops itself
            definition["description"] = cleandoc(definition["description"])
    return msgspec.json.format(msgspec.json.encode(schema), indent=1) + b"\n"


def from_json(document: bytes) -> Report:
    """Read what as_json() wrote. Raises msgspec.ValidationError on anything else."""
    report = msgspec.json.decode(document, type=_document(), strict=False)
    if report.schema != SCHEMA:
        raise msgspec.ValidationError(f"Schema {report.schema}, where {SCHEMA} is known.")
    report.results = msgspec.structs.asdict(report.results)
    return cast("Report", report)


def _document() -> Any:
    """Make the type of a report whose rows are those of the registered experiments."""
    results = defstruct(
        "Results",
        [
            (name, list[experiment.row], field(default_factory=list))  # type: ignore[name-defined] # made at run time
            for name, experiment in experiments()
        ],
    )
    return defstruct(
        "Report",
        [("results", results, field(default_factory=results))],
        bases=(Report,),
        namespace={"__doc__": Report.__doc__},
    )


def _rounded(value: object) -> object:
    """Give every figure four digits: what follows is noise."""
    builtins = msgspec.to_builtins(value)

    def walk(value: object) -> object:
        match value:
            case float():
                return float(f"{value:.4g}")
            case list():
                return [walk(item) for item in value]
            case dict():
                return {name: walk(item) for name, item in value.items()}
        return value

    return walk(builtins)
