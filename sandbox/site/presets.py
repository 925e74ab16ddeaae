"""The requests that the page offers: the instructive ones among the probes of ``compare``."""

from typing import NamedTuple

from consumers.catalogue import CATALOGUE
from sandbox.compare.differences import declared
from sandbox.compare.probes import CONTRACT
from sandbox.compare.steps import Ask

LABELS = {
    "null": "null",
    "zero": "0",
    "empty-string": "Empty string",
    "digits-5000": "Big integer",
    "reply-bytes": "é",
    "nan": "NaN",
    "empty-text": "Empty frame",
    "binary": "Binary",
    "plain-text": "Not JSON",
    "no-message": "No message",
    "depth-over": "Too deep",
    "size-over": "Too large",
    "delay": "Delay",
}
"""What to call a probe, by its id."""


class Preset(NamedTuple):
    """A request to try."""

    label: str
    request: str
    probe: str = ""
    binary: bool = False


def presets() -> list[Preset]:
    offered = [Preset("hi", '{"message": "hi"}')]
    steps = {probe.id: probe.steps[0] for probe in CONTRACT}
    for probe, label in LABELS.items():
        match steps[probe]:
            case Ask(payload=str(text)):
                offered.append(Preset(label, text, probe))
            case Ask(payload=bytes(data)):
                offered.append(Preset(label, data.decode(), probe, binary=True))
    return offered


def reasons() -> dict[str, dict[str, str]]:
    """Why an exhibit is known to answer a probe otherwise: by probe, by exhibit."""
    found: dict[str, dict[str, str]] = {}
    for probe in LABELS:
        for exhibit in CATALOGUE:
            if difference := declared(probe, exhibit.id, "daphne"):
                found.setdefault(probe, {})[exhibit.id] = difference.reason
    return found
