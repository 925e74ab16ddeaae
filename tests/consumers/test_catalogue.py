"""The catalogue, and that everything is made from it."""

import ast
import re
from itertools import product
from pathlib import Path

import pytest
from django.urls.resolvers import RoutePattern
from django.utils.module_loading import import_string

from consumers.catalogue import CATALOGUE, DEVICES, EDITIONS, Exhibit
from routing.urls import http_urlpatterns, websocket_urlpatterns

CONSUMERS = Path(__file__).parents[2] / "consumers"
each_exhibit = pytest.mark.parametrize("exhibit", CATALOGUE, ids=lambda exhibit: exhibit.id)


def test_feeds_the_routes() -> None:
    """The URL tables hold the routes of the catalogue, each once, then those of the site."""
    tables = (websocket_urlpatterns, http_urlpatterns)
    patterns = [pattern.pattern for table in tables for pattern in table]
    routed = [str(pattern) for pattern in patterns if isinstance(pattern, RoutePattern)]

    assert sorted(routed) == sorted(route for e in CATALOGUE for route in e.routes)


def test_has_an_edition_for_every_exhibit() -> None:
    """Every exhibit belongs to an edition that is described, and no edition is empty."""
    everything = (*CATALOGUE, *DEVICES)
    assert list(dict.fromkeys(exhibit.edition.name for exhibit in everything)) == list(EDITIONS)


@each_exhibit
def test_speaks_one_vocabulary(exhibit: Exhibit) -> None:
    """The slug names the module, and the class of Channels that the consumer derives from."""
    consumer = import_string(exhibit.consumer)

    assert Path(exhibit.source).stem == exhibit.slug.replace("-", "_")
    assert (CONSUMERS.parent / exhibit.source).is_file()
    if isinstance(consumer, type):
        assert exhibit.type in [base.__name__ for base in consumer.__mro__]


@pytest.mark.parametrize(
    ("edition", "twin"),
    [
        *product(("echo", "tutorial"), ("websocket.py", "json_websocket.py")),
        ("mirror", "websocket.py"),
    ],
)
def test_twins_differ_only_in_async_and_await(edition: str, twin: str) -> None:
    """An async consumer is its sync twin with ``async`` and ``await`` in it, and nothing else."""
    synchronous = (CONSUMERS / edition / twin).read_text()
    asynchronous = (CONSUMERS / edition / f"async_{twin}").read_text()
    stripped = asynchronous.replace("asyncio", "time").replace("Async", "")
    stripped = re.sub(r"\b(async|await) ", "", stripped)

    assert stripped == synchronous


def test_echo_consumers_are_short() -> None:
    """An echo consumer fits in 25 lines of code, imports and docstrings aside."""
    for exhibit in CATALOGUE:
        if exhibit.edition.name == "echo":
            body = (CONSUMERS.parent / exhibit.source).read_text().partition("\nclass ")[2]
            code = [x for x in body.splitlines() if x.strip() and not x.strip().startswith("#")]

            assert len(code) <= 25, exhibit.id


def names_an_edition(node: ast.AST) -> bool:
    """Whether code looks at the name of an edition: in a comparison, a pattern or a prefix."""
    match node:
        case ast.Compare() | ast.MatchValue():
            looked_at = list(ast.walk(node))
        case ast.Call(func=ast.Attribute(attr="startswith" | "endswith" | "removeprefix")):
            looked_at = [inner for argument in node.args for inner in ast.walk(argument)]
        case _:
            return False
    return any(
        isinstance(one, ast.Constant) and str(one.value).rstrip("/") in EDITIONS
        for one in looked_at
    )


def test_only_the_catalogue_knows_editions_by_name() -> None:
    """What is true of an edition is data: no other module compares anything with its name."""
    found = [
        f"{path.relative_to(CONSUMERS.parent)}:{node.lineno}"
        for folder in ("consumers", "routing", "sandbox")
        for path in (CONSUMERS.parent / folder).rglob("*.py")
        if path.name != "catalogue.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if names_an_edition(node) and isinstance(node, ast.expr | ast.pattern)
    ]

    assert found == []
