"""What an exhibit needs of the packages in an environment of other versions."""

from collections.abc import Mapping

from packaging.version import Version

from consumers.catalogue import Exhibit

ISOLATION = Version("3.13")
"""The asgiref whose ThreadSensitiveContext takes an executor: routing/isolation.py needs it."""


def missing(exhibit: Exhibit, versions: Mapping[str, str]) -> str:
    """Say why an exhibit cannot work with these versions; empty if it can, or none are known."""
    asgiref = versions.get("asgiref")
    is_isolated = exhibit.is_consumer and exhibit.edition.isolated
    if is_isolated and asgiref and Version(asgiref) < ISOLATION:
        return f"routing/isolation.py needs asgiref {ISOLATION}, and this is asgiref {asgiref}."
    return ""
