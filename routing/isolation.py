"""A bounded number of threads for all connections, so that one that blocks delays no other.

Copy this file into a project, and put ``isolated`` around the whole ASGI application:

    threads = ThreadPoolExecutor(32)
    application = isolated(ProtocolTypeRouter({...}), threads)

Around the whole, because Uvicorn can begin a request in the context of the one before it on its
connection: a part that is not isolated would then fail.

Why: Channels runs all synchronous code of a process on one thread. Asynchronous consumers wait for
that thread too: before each message, in each ``database_sync_to_async`` and in each call of the
ORM (github.com/django/channels/issues/2132). So one handler that blocks delays all connections. A
thread for each connection ends that, but then ten thousand sockets hold ten thousand threads and,
with persistent connections, more database connections than a database accepts.

How: all connections share ``threads``. The calls of one connection run one at a time and in order,
each on a thread that is free. After each call the thread closes database connections that are too
old or broken, as Channels does around each message. So the process has at most as many database
connections as threads, and no connection delays another until all threads are blocked. From then
on calls wait for a thread; one that has waited for more than a second is logged.

What is given up:

- Two calls of one connection may run on different threads. Context variables follow the
  connection, ``threading.local`` does not. A transaction begins and ends in one call.
- With ``CONN_MAX_AGE = 0`` each call opens its own database connection, also if one message makes
  several calls. Give connections some seconds, or use a connection pool.
- A task that outlives its connection cannot call synchronous code any more: asgiref raises
  RuntimeError. Cancel such tasks in ``disconnect``, or wait for them there.
- In a test that runs in a transaction, a consumer does not see what the test has not committed.
"""

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from inspect import signature
from threading import Lock
from time import monotonic
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.db import close_old_connections

logger = logging.getLogger(__name__)

LONG_WAIT = 1.0
"""Seconds: a call that waits longer for a thread is logged."""
CAN_ISOLATE = "executor" in signature(ThreadSensitiveContext).parameters
"""Since asgiref 3.13."""


def isolated(application: Any, threads: ThreadPoolExecutor) -> Any:
    """Make an ASGI application whose synchronous code runs on ``threads``."""

    async def isolated_application(scope: Any, receive: Any, send: Any) -> None:
        calls = ConnectionCalls(threads, scope.get("path", scope["type"]))
        async with ThreadSensitiveContext(executor=calls):
            await application(scope, receive, send)

    return isolated_application


class ConnectionCalls(Executor):
    """The synchronous calls of one connection: one at a time, as asgiref asks, and in order."""

    def __init__(self, threads: ThreadPoolExecutor, path: str) -> None:
        self._threads = threads
        self._path = path
        self._lock = Lock()
        self._is_running = False
        self._waiting: deque[tuple[Callable[[], Any], Future[Any]]] | None = None  # rarely needed

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        call = partial(call, *args, **kwargs)
        with self._lock:
            if self._is_running:
                future: Future[Any] = Future()
                self._waiting = self._waiting or deque()
                self._waiting.append((call, future))
                return future
            self._is_running = True
        try:
            return self._start(call)
        except RuntimeError:  # the system gives no more threads
            self._start_next()
            raise

    def _start(self, call: Callable[[], Any]) -> "Future[Any]":
        accepted = [call]
        try:
            future = self._threads.submit(self._run, accepted, monotonic())
        except RuntimeError:
            accepted.clear()  # it is in the queue of the threads all the same
            raise
        future.add_done_callback(self._start_next)  # also called if it is cancelled before it runs
        return future

    def _run(self, accepted: list[Callable[[], Any]], submitted: float) -> Any:
        if not accepted:
            return None
        if (waited := monotonic() - submitted) > LONG_WAIT:
            logger.warning("%s waited %.1f s for a thread", self._path, waited)
        try:
            return accepted[0]()
        finally:
            close_old_connections()

    def _start_next(self, _finished: "Future[Any] | None" = None) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._is_running = False
                    return
                call, future = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    self._start(call).add_done_callback(partial(_copy_result, future))
                except RuntimeError as error:
                    future.set_exception(error)
                else:
                    return


def _copy_result(target: "Future[Any]", source: "Future[Any]") -> None:
    if (error := source.exception()) is not None:
        target.set_exception(error)
    else:
        target.set_result(source.result())
