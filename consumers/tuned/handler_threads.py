"""Threads that run synchronous calls for an event loop, for little more than a coroutine costs.

This file depends on the standard library only. ``run_in_executor`` makes two futures for each call
and wakes the event loop for each. Here a thread takes a call from a queue, runs it, appends it to
the finished calls of its event loop, and wakes the loop only if no wake-up is on its way: one
wake-up delivers all calls that have finished since the last.
"""

import atexit
import os
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from weakref import WeakKeyDictionary, WeakSet


class Call:
    """A function, and the future of an event loop that waits for it."""

    __slots__ = ("calls", "error", "function", "future", "loop")

    def __init__(
        self, function: Callable[[], object], loop: AbstractEventLoop, calls: "LoopCalls"
    ) -> None:
        self.function, self.loop, self.calls = function, loop, calls
        self.future: Future[None] = loop.create_future()
        self.error: BaseException | None = None


class HandlerThreads:
    """At most ``most`` threads. One starts when a call finds none idle; then it stays.

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
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._idle: deque[None] = deque()  # one entry a thread: unlike a number, it needs no lock
        self._threads: list[Thread] = []
        self._of_loop: WeakKeyDictionary[AbstractEventLoop, LoopCalls] = WeakKeyDictionary()

    def of_running_loop(self) -> "LoopCalls":
        loop = get_running_loop()
        with self._lock:
            return self._of_loop.setdefault(loop, LoopCalls(self))

    def submit(self, call: Call) -> None:
        """Raises RuntimeError if there is no thread and the system gives none."""
        self._queue.put(call)
        self.start_if_needed()

    def start_if_needed(self) -> None:
        """Start a thread if more calls wait than threads.

        Called after each step that can make it so: a call is added, or a thread is no longer idle.
        Between the two steps of another thread the numbers can be wrong, but then its own check is
        still to come.
        """
        if self._queue.qsize() > len(self._idle):
            with self._lock:
                if self._queue.qsize() > len(self._idle) and len(self._threads) < self.most:
                    self._start()

    def _start(self) -> None:
        name = f"{self.name}-{len(self._threads)}"
        thread = Thread(target=self._work, args=(self._queue, self._idle), name=name, daemon=True)
        self._idle.append(None)
        try:
            thread.start()
        except RuntimeError:
            self._idle.pop()
            if not self._threads:  # or the call waits for one of them
                raise
        else:
            self._threads.append(thread)

    def _work(self, queue: "SimpleQueue[Call | None]", idle: "deque[None]") -> None:
        while call := queue.get():
            idle.pop()
            self.start_if_needed()
            if not call.future.cancelled():
                try:
                    call.function()
                except BaseException as error:  # noqa: BLE001 # it is raised where the call is awaited
                    call.error = error
            # Before the call is delivered: what it makes possible finds this thread idle.
            idle.append(None)
            call.calls.finish(call)
            del call  # or an idle thread keeps a connection alive

    def shutdown(self) -> None:
        """Wait until all calls are finished, and end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self.reset()


class LoopCalls:
    """The calls of one event loop."""

    def __init__(self, threads: HandlerThreads) -> None:
        self._threads = threads
        self._finished: deque[Call] = deque()
        self._wakes = False

    def run(self, function: Callable[[], object]) -> "Future[None]":
        """Call ``function`` on a thread. The future ends with it, or with its exception."""
        call = Call(function, get_running_loop(), self)
        try:
            self._threads.submit(call)
        except RuntimeError:
            call.future.cancel()  # it is still in the queue
            raise
        return call.future

    def finish(self, call: Call) -> None:
        """Called by a thread."""
        self._finished.append(call)
        if not self._wakes:
            self._wakes = True
            with suppress(RuntimeError):  # the loop is closed: the call is not awaited any more
                call.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # In this order: a thread that has read True has appended its call before, so it is found.
        self._wakes = False
        while self._finished:
            call = self._finished.popleft()
            if call.future.done():  # cancelled
                continue
            if call.error is None:
                call.future.set_result(None)
            elif isinstance(call.error, StopIteration):  # which a coroutine cannot raise
                call.future.set_exception(RuntimeError("a handler raised StopIteration"))
            else:
                call.future.set_exception(call.error)


_all: "WeakSet[HandlerThreads]" = WeakSet()


@atexit.register
def _shutdown_all() -> None:
    for threads in list(_all):
        threads.shutdown()


def _reset_all() -> None:
    for threads in list(_all):
        threads.reset()


os.register_at_fork(after_in_child=_reset_all)
