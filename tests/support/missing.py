"""What a test does where something that it needs is not installed."""

import os
from typing import NoReturn

import pytest


def skip_outside_ci(reason: str) -> NoReturn:
    """Skip the test; in CI, where everything is installed, fail it."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
