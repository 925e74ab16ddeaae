"""Runs code that several threads share in every order of its steps, one step at a time.

Each thread is a greenlet. What it shares with others calls ``step()`` before each access, and there
any other may go on. Usually a thread goes on until it waits, and then the next one does. Each other
choice is a delay, and the number of delays is bounded ("Delay-bounded scheduling", Emmi, Qadeer and
Rakamarić, 2011): a few find nearly all mistakes.
"""

from collections.abc import Callable, Iterator
from typing import Any

from greenlet import greenlet


class DeadlockError(Exception):
    """Each thread waits for another."""


class Schedule:
    """One order of steps, given by the choices at its beginning."""

    def __init__(self, choices: list[int], delays: int) -> None:
        self.choices, self.delays = choices, delays
        self.taken: list[tuple[int, int]] = []
        """Each choice that was made, and between how many."""
        self._waiting: dict[Any, Callable[[], bool]] = {}
        self._hub = greenlet.getcurrent()

    def spawn(self, function: Callable[[], object]) -> None:
        self._waiting[greenlet(function, parent=self._hub)] = lambda: True

    def step(self, condition: Callable[[], bool] = lambda: True) -> None:
        """Let others go on, at least until the condition holds."""
        self._waiting[greenlet.getcurrent()] = condition
        self._hub.switch()

    def run(self, *functions: Callable[[], object]) -> None:
        """Raises DeadlockError."""
        for function in functions:
            self.spawn(function)
        current: Any = None
        while self._waiting:
            ready = [one for one, condition in self._waiting.items() if condition()]
            if not ready:
                raise DeadlockError
            if current in ready:
                ready.remove(current)
                ready.insert(0, current)
            chosen = self._choose(min(len(ready), self.delays + 1))
            self.delays -= chosen
            current = ready[chosen]
            del self._waiting[current]
            current.switch()

    def _choose(self, options: int) -> int:
        place = len(self.taken)
        chosen = self.choices[place] if place < len(self.choices) else 0
        self.taken.append((chosen, options))
        return chosen


def schedules(delays: int) -> Iterator[Schedule]:
    """Give every schedule once. Each must be run before the next one is asked for."""
    choices: list[int] = []
    while True:
        schedule = Schedule(choices, delays)
        yield schedule
        taken = schedule.taken
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        choices = [chosen for chosen, _ in taken[:-1]] + [taken[-1][0] + 1]
