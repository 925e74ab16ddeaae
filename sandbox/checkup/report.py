"""A finished checkup. output/ writes it down."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from sandbox.checkup.check import Finding, Grade
from sandbox.checkup.client import Habits, Spent
from sandbox.checkup.plan import Plan
from sandbox.checkup.target import Target

Limit: TypeAlias = Literal["bad", "note"]


@dataclass(frozen=True, slots=True)
class Patient:
    """One consumer on one server, and what was found."""

    target: Target
    habits: Habits
    spent: Spent
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        return self.target.server or self.target.name

    def groups(self) -> Iterator[tuple[str, list[Finding]]]:
        for group, findings in groupby(self.findings, key=lambda one: one.check.group):
            yield group, list(findings)

    def finding(self, check: str) -> Finding:
        return next(one for one in self.findings if one.check.id == check)


@dataclass(frozen=True, slots=True)
class Report:
    """What was found on each server."""

    started: str
    seconds: float
    plan: Plan
    patients: tuple[Patient, ...]

    @property
    def count(self) -> Counter[Grade]:
        return Counter(one.grade for patient in self.patients for one in patient.findings)

    def is_good(self, fail_on: Limit = "bad") -> bool:
        """Whether nothing was found that is as bad as that, or worse."""
        return not self.count["bad"] and not (fail_on == "note" and self.count["note"])
