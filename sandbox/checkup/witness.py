"""Writes down what an application raises, and for which client: it stands in front of it.

It runs in the application's own environment, so it uses nothing but the standard library, and is
an older Python's too. ``CHECKUP_APP`` names the application, ``CHECKUP_REPORT`` the file that gets
a line of JSON for each event.
"""

import importlib
import json
import os
import platform
import re
import sys
import traceback
from contextlib import suppress
from importlib import metadata
from typing import Any, Dict  # noqa: UP035 # Python 3.8 has no dict[str, Any]

LIBRARIES = re.compile(r".*[/\\](site-packages|lib[/\\]python[\d.]+)[/\\]")
HERE = os.getcwd() + os.sep  # noqa: PTH109 # compared with the names of files, as text
UP = "/checkup-is-it-up"
"""Asked until the server answers: the application need not know HTTP."""
PACKAGES = ("django", "channels", "asgiref")


def tell(**event: Any) -> None:
    with open(os.environ["CHECKUP_REPORT"], "a", encoding="utf-8") as report:  # noqa: PTH123 # as above
        report.write(json.dumps(event) + "\n")


def raised(error: BaseException) -> Dict[str, Any]:  # noqa: UP006 # as above
    """Say what was raised and where, in the application's own code if it was there."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        one
        for one in frames
        if one.filename.startswith(HERE) and "site-packages" not in one.filename
    ]
    last = (own or frames)[-1]
    return {
        "error": type(error).__name__,
        "message": str(error)[:300],
        "file": LIBRARIES.sub("", last.filename.replace(HERE, "")),
        "line": last.lineno,
    }


def versions() -> Dict[str, str]:  # noqa: UP006 # as above
    """Return the versions of what is installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def load(name: str) -> Any:
    """Import ``module:attribute``."""
    module, _, attributes = name.partition(":")
    found = importlib.import_module(module)
    for attribute in (attributes or "application").split("."):
        found = getattr(found, attribute)
    return found


sys.path.insert(0, os.getcwd())  # noqa: PTH109 # as above
try:
    _application = load(os.environ["CHECKUP_APP"])
except BaseException as error:
    tell(event="import failed", **raised(error))
    raise
tell(event="loaded", versions=versions())


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Run the application, and write down what it raises."""
    if scope["type"] == "http" and scope["path"] == UP:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        return
    try:
        await _application(scope, receive, send)
    except Exception as error:
        if scope["type"] == "websocket":
            client = scope.get("client") or ("", 0)
            tell(event="raised", client="{}:{}".format(*client[:2]), **raised(error))
        raise
