"""Threads that run synchronous calls for an event loop, for little more than a coroutine costs.

This file depends on the standard library only. ``run_in_executor`` makes two futures for each call
and wakes a thread and the event loop for each. Here the event loop puts calls into a queue, and
wakes a thread when it has looked at all of its connections. The thread takes the calls one after
the other, appends each to the finished calls of its event loop, and wakes the loop only if no
wake-up is on its way: one wake-up delivers all calls that have finished since the last.
"""

import atexit
import os
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

Call = tuple["Future[None]", "LoopCalls", Callable[..., object], tuple[Any, ...]]
"""The future that waits for it, the calls of its event loop, a function and its arguments."""


class HandlerThreads:
    """At most ``most`` threads. One starts when calls wait and no other is free; then it stays.

    At most one thread at a time is being woken or started. A thread that takes a call while others
    wait first wakes or starts the next thread. If the call blocks, the next thread takes the
    others. If it does not, the first thread has often taken them all before the next one runs: many
    short calls need two threads, however many connections make them.

    Calls begin in the order in which they were made. When the process exits, calls that were made
    are finished first. A process that was forked starts with no threads.
    """

    def __init__(self, most: int, name: str = "handler") -> None:
        self.most, self.name = most, name
        self.reset()
        _all.add(self)

    def reset(self) -> None:
        """Forget all threads and calls: a fork has left them behind."""
        self._lock = Lock()
        self._threads: list[Thread] = []
        self.calls: deque[Call] = deque()
        """Those that wait for a thread."""
        self._idle: deque[Lock] = deque()
        """A lock for each idle thread, which waits until it is released."""
        self._is_one_coming = False
        self._is_ending = False
        self._of_loop: WeakKeyDictionary[AbstractEventLoop, LoopCalls] = WeakKeyDictionary()

    def of_running_loop(self) -> "LoopCalls":
        loop = get_running_loop()
        with self._lock:
            return self._of_loop.setdefault(loop, LoopCalls(self))

    def let_one_come(self) -> None:
        """Wake or start a thread for the calls in the queue, unless one is on its way to them."""
        # Where this is True, the new call is in the queue already. The thread that is coming sets
        # it to False and then reads the queue, so it finds the call.
        if self._is_one_coming:
            return
        self._is_one_coming = True
        try:
            self._idle.pop().release()  # the one that has worked last: its memory is still cached
        except IndexError:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if len(self._threads) < self.most:
                name = f"{self.name}-{len(self._threads)}"
                thread = Thread(target=self._work, name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    # If there are threads, the calls wait for one of them, or for shutdown.
                    if not self._threads and not self._is_ending:
                        self._refuse(error)
                else:
                    self._threads.append(thread)
                    return
        self._is_one_coming = False
        if self.calls and self._idle:  # one became idle before the line above, and read True
            self.let_one_come()

    def _refuse(self, error: RuntimeError) -> None:
        """Let all calls fail: the system gives no thread."""
        while self.calls:
            future, calls, _, _ = self.calls.popleft()
            calls.finish(future, error)

    def _work(self) -> None:
        is_woken = Lock()
        is_woken.acquire()
        while True:
            self._is_one_coming = False
            self._take_calls()
            if self._is_ending:
                return
            self._idle.append(is_woken)
            if self.calls:  # added since the last look, when this thread was not idle
                self.let_one_come()
            is_woken.acquire()

    def _take_calls(self) -> None:
        waiting = self.calls
        while waiting:
            try:
                future, calls, function, arguments = waiting.popleft()
            except IndexError:  # another thread has taken it
                return
            if waiting:
                self.let_one_come()
            error = None
            if not future.cancelled():
                try:
                    function(*arguments)
                except BaseException as raised:  # noqa: BLE001 # it is raised where the call is awaited
                    error = raised
            calls.finish(future, error)
            del future, calls, function, arguments, error  # or an idle thread keeps a connection

    def shutdown(self) -> None:
        """Finish all calls, and end the threads."""
        self._is_ending = True
        # Calls whose event loop has ended before it woke a thread. Here, because Python 3.12 starts
        # no thread when the process exits.
        self._take_calls()
        for thread in self._threads:
            while thread.is_alive():
                with suppress(IndexError):
                    self._idle.pop().release()
                thread.join(0.01)
        self.reset()


class LoopCalls:
    """The calls of one event loop."""

    def __init__(self, threads: HandlerThreads) -> None:
        self._threads = threads
        self._finished: deque[tuple[Future[None], BaseException | None]] = deque()
        self._wakes = False
        self._will_wake_a_thread = False

    def run(self, function: Callable[..., object], *arguments: Any) -> "Future[None]":
        """Call ``function`` on a thread. The future ends with it, or with its exception.

        That is RuntimeError if there is no thread and the system gives none.
        """
        loop = get_running_loop()
        future: Future[None] = loop.create_future()
        self._threads.calls.append((future, self, function, arguments))
        if not self._will_wake_a_thread:
            self._will_wake_a_thread = True
            # Not at once: what other connections have received by now goes to the same thread.
            loop.call_soon(self._wake_a_thread)
        return future

    def _wake_a_thread(self) -> None:
        self._will_wake_a_thread = False
        self._threads.let_one_come()

    def finish(self, future: "Future[None]", error: BaseException | None) -> None:
        """Called by a thread."""
        self._finished.append((future, error))
        if not self._wakes:
            self._wakes = True
            with suppress(RuntimeError):  # the loop is closed: the call is not awaited any more
                future.get_loop().call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # In this order: a thread that has read True has appended its call before, so it is found.
        self._wakes = False
        while self._finished:
            future, error = self._finished.popleft()
            if future.done():  # cancelled
                continue
            if error is None:
                future.set_result(None)
            elif isinstance(error, StopIteration):  # which a coroutine cannot raise
                future.set_exception(RuntimeError("a handler raised StopIteration"))
            else:
                future.set_exception(error)


_all: "WeakSet[HandlerThreads]" = WeakSet()


@atexit.register
def _shutdown_all() -> None:
    for threads in list(_all):
        threads.shutdown()


def _reset_all() -> None:
    for threads in list(_all):
        threads.reset()


os.register_at_fork(after_in_child=_reset_all)
