"""The cases of the Autobahn test suite, which a mirror passes as far as its server does."""

from functools import cache

from sandbox.compare.autobahn import listed
from sandbox.compare.observations import Passed
from sandbox.compare.probe import NO_FRAMES, Probe
from sandbox.compare.steps import RunCase

HEAVY = ("9", "12", "13")
"""Chapters of large messages and long conversations: they run only when they are named, one case
after another, for a server that pings after 20 seconds ends a case of compression."""
CASE_SECONDS = 3600.0
"""Most of it to wait for its turn: the suite itself limits each case."""


@cache
def cases() -> tuple[Probe, ...]:
    """Make a probe of every case. Raises MissingSuiteError."""
    return tuple(
        Probe(
            f"autobahn-{case}",
            f"{description} {expectation}",
            (RunCase(case, alone=chapter in HEAVY),),
            (Passed(),),
            ("websocket",),
            NO_FRAMES,
            watches_clock=chapter in HEAVY,
            group=f"Autobahn {chapter}: {name}",
            by_default=chapter not in HEAVY,
            seconds=CASE_SECONDS,
        )
        for case, name, description, expectation in listed()
        for chapter in (case.partition(".")[0],)
    )
