"""The requests that the page offers: the most instructive ones among the probes of ``compare``."""

from functools import cache
from typing import NamedTuple

from django.conf import settings

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
    "empty-text": "Empty message",
    "binary": "Binary",
    "plain-text": "Not JSON",
    "no-message": "No message",
    "depth-over": "Too deep",
    "size-over": "Too large",
}
"""What the page calls a probe, by the probe's id."""


class Preset(NamedTuple):
    """A request to try."""

    label: str
    request: str
    probe: str = ""
    """The id of the probe that it comes from."""
    binary: bool = False


def presets() -> list[Preset]:
    delay = min(0.5, settings.LIMITS.max_delay)
    offered = [
        Preset("hi", '{"message": "hi"}'),
        Preset("Delay", f'{{"message": "slow", "delay": {delay:g}}}', "delay"),
    ]
    payloads = {
        probe.id: step.payload for probe in CONTRACT if isinstance(step := probe.steps[0], Ask)
    }
    for probe, label in LABELS.items():
        match payloads[probe]:
            case str(text):
                offered.append(Preset(label, text, probe))
            case bytes(data):
                offered.append(Preset(label, data.decode(), probe, binary=True))
    return offered


@cache
def reasons() -> dict[str, dict[str, str]]:
    """Why an exhibit's answer is declared to differ from the contract: by probe, by exhibit."""
    found: dict[str, dict[str, str]] = {}
    for preset in presets():
        for exhibit in CATALOGUE:
            if difference := declared(preset.probe, exhibit.id, "daphne"):
                found.setdefault(preset.probe, {})[exhibit.id] = difference.reason
    return found
