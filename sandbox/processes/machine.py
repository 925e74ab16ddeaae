"""What a run was made with: figures mean little without it."""

import os
import platform
from importlib.metadata import version

PACKAGES = ("django", "channels", "asgiref", "websockets", "h11")


def versions(*more: str) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in (*PACKAGES, *more)},
    }


def machine() -> dict[str, str | int]:
    return {"system": platform.system(), "architecture": platform.machine(), "cores": cores()}


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
