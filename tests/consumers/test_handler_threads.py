"""The threads of tuned sync consumers: no call is lost, none waits for a thread in vain."""

import asyncio
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from consumers.tuned import handler_threads
from consumers.tuned.handler_threads import HandlerThreads, LoopCalls
from sandbox.processes.servers import ROOT
from tests.support.interleavings import DeadlockError, Schedule, schedules

TIMEOUT = 30.0


@pytest.fixture
def threads() -> Iterator[HandlerThreads]:
    threads = HandlerThreads(4)
    yield threads
    threads.shutdown()


class SteppingDeque(deque[Any]):
    """A deque that is shared: others may go on before each access."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.step = schedule.step

    def append(self, item: Any) -> None:
        self.step()
        super().append(item)

    def pop(self) -> Any:  # type: ignore[override] # of lists
        self.step()
        return super().pop()

    def popleft(self) -> Any:
        self.step()
        return super().popleft()

    def __len__(self) -> int:
        self.step()
        return super().__len__()

    def __bool__(self) -> bool:
        return len(self) > 0


class SteppingCalls(LoopCalls):
    """The calls of an event loop, in which others may go on before each access."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(HandlerThreads(1))
        self.schedule = schedule
        self._finished = SteppingDeque(schedule)

    @property
    def _wakes(self) -> bool:
        self.schedule.step()
        return self._value

    @_wakes.setter
    def _wakes(self, value: bool) -> None:
        if hasattr(self, "schedule"):
            self.schedule.step()
        self._value = value


class SteppingLoop:
    """An event loop: a thread that runs one callback at a time."""

    is_running = False

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def create_future(self) -> Any:
        return FutureOfTest(self)

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.schedule.spawn(partial(self.run, callback))

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
        self.schedule.step()
        self.call_soon(callback)

    def run(self, callback: Callable[[], object]) -> None:
        self.schedule.step(lambda: not self.is_running)
        self.is_running = True
        callback()
        self.is_running = False


class FutureOfTest:
    result: object = "none"

    def __init__(self, loop: SteppingLoop) -> None:
        self.loop = loop

    def get_loop(self) -> SteppingLoop:
        return self.loop

    def done(self) -> bool:
        return self.result != "none"

    def cancelled(self) -> bool:
        return False

    def set_result(self, result: object) -> None:
        self.result = result


def test_no_wake_up_is_ever_lost() -> None:
    """In each order of steps, each call that two threads finish at once is delivered."""
    count = 0
    for schedule in schedules(delays=4):
        calls = SteppingCalls(schedule)
        loop = SteppingLoop(schedule)
        futures: list[Any] = [FutureOfTest(loop) for _ in range(3)]

        def finish(*some: Any, calls: LoopCalls = calls) -> None:
            for future in some:
                calls.finish(future, None)

        schedule.run(partial(finish, *futures[:2]), partial(finish, futures[2]))
        count += 1
        assert all(future.done() for future in futures), schedule.taken
    assert count > 1000


class SteppingLock:
    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.is_locked = False

    def acquire(self) -> None:
        self.schedule.step(lambda: not self.is_locked)
        self.is_locked = True

    def release(self) -> None:
        self.is_locked = False
        self.schedule.step()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class SteppingThreads(HandlerThreads):
    """Threads, among which others may go on before each access to what they share."""

    def __init__(self, most: int, schedule: Schedule) -> None:
        self.schedule = schedule
        super().__init__(most)
        lock: Any = SteppingLock(schedule)
        self.calls, self._idle = SteppingDeque(schedule), SteppingDeque(schedule)
        self._lock = lock

    @property
    def _is_one_coming(self) -> bool:
        self.schedule.step()
        return self._value

    @_is_one_coming.setter
    def _is_one_coming(self, value: bool) -> None:
        if hasattr(self, "_value"):
            self.schedule.step()
        self._value = value

    def shutdown(self) -> None:
        """Threads of a test have ended when the process exits."""


@pytest.mark.parametrize(("most", "together", "loops"), [(2, 2, 2), (3, 3, 1), (1, 1, 2)])
def test_no_call_ever_waits_while_a_thread_could_run_it(
    most: int, together: int, loops: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each order of steps all calls run, also if ``together`` of them wait for each other."""
    count = 0
    for schedule in schedules(delays=3):
        threads = SteppingThreads(most, schedule)
        arrived: list[int] = []
        later: list[Callable[[], None]] = []
        meet = partial(_meet, schedule, arrived, together, later)

        def make_calls(
            loop: SteppingLoop, threads: HandlerThreads = threads, meet: Any = meet
        ) -> None:
            calls = LoopCalls(threads)
            for _ in range(max(together, loops) // loops):
                monkeypatch.setattr(handler_threads, "get_running_loop", lambda: loop)
                calls.run(meet)

        monkeypatch.setattr(handler_threads, "Lock", partial(SteppingLock, schedule))
        monkeypatch.setattr(handler_threads, "Thread", partial(GreenThread, schedule))
        running = [SteppingLoop(schedule) for _ in range(loops)]
        later.extend(partial(loop.run, partial(make_calls, loop)) for loop in running)
        with pytest.raises(DeadlockError):  # at the end: the threads wait for the next call
            schedule.run(later.pop())
        count += 1
        assert len(arrived) == max(together, loops), schedule.taken
    assert count > 500


def _meet(
    schedule: Schedule, arrived: list[int], together: int, later: list[Callable[[], None]]
) -> None:
    """Wait for the others, and let the next event loop make its calls from now on."""
    arrived.append(1)
    if later:
        schedule.spawn(later.pop())
    schedule.step(lambda: len(arrived) >= together)


class GreenThread:
    def __init__(self, schedule: Schedule, *, target: Any, **_: Any) -> None:
        self.start = partial(schedule.spawn, target)


@pytest.mark.parametrize("affinity", ["all cores", "one core"])
def test_no_call_is_lost_under_stress(affinity: str) -> None:
    """With a thread switch each microsecond, all calls of two event loops are delivered."""
    code = f"""
import asyncio, os, sys, threading
from consumers.tuned.handler_threads import HandlerThreads
if {affinity == "one core"} and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
sys.setswitchinterval(1e-6)
threads = HandlerThreads(8)
async def client(seen):
    run = threads.of_running_loop().run
    for number in range(100):
        await asyncio.wait_for(run(lambda: seen.append(number)), {TIMEOUT})
async def clients(seen):
    await asyncio.gather(*(client(seen) for _ in range(20)))
def loop(seen):
    asyncio.run(clients(seen))
seen = [[], []]
loops = [threading.Thread(target=loop, args=[each]) for each in seen]
for one in loops: one.start()
for one in loops: one.join()
print([len(each) for each in seen])
"""
    assert run_python(code) == "[2000, 2000]"


def run_python(code: str) -> str:
    return subprocess.check_output(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        text=True,
        timeout=2 * TIMEOUT,
    ).strip()


def started(threads: HandlerThreads) -> int:
    return sum(one.name.startswith(threads.name) for one in threading.enumerate())


def test_short_calls_share_few_threads() -> None:
    """A thousand calls, twenty at a time, need a few threads of the hundred that there may be."""
    threads = HandlerThreads(100, "short-calls")

    async def main() -> None:
        run = threads.of_running_loop().run
        for _ in range(50):
            await asyncio.wait_for(asyncio.gather(*(run(lambda: None) for _ in range(20))), TIMEOUT)

    asyncio.run(main())
    # Mostly two: a thread that is about to be idle is sometimes counted as busy.
    assert 1 <= started(threads) <= 10
    threads.shutdown()
    assert started(threads) == 0


def test_calls_that_block_have_a_thread_each() -> None:
    """They start threads up to most; further ones wait, and run when one is free."""
    threads = HandlerThreads(4, "blocked-calls")
    release = threading.Event()

    async def main() -> None:
        run = threads.of_running_loop().run
        blocked = [run(lambda: release.wait(TIMEOUT)) for _ in range(3)]
        await asyncio.wait_for(run(lambda: None), TIMEOUT)
        assert started(threads) == 4

        more = [run(lambda: release.wait(TIMEOUT)) for _ in range(3)]
        assert started(threads) == 4
        release.set()
        await asyncio.wait_for(asyncio.gather(*blocked, *more), TIMEOUT)

    asyncio.run(main())
    threads.shutdown()


def test_calls_begin_in_order() -> None:
    """Calls that wait for the only thread run in the order in which they were made."""
    threads = HandlerThreads(1)
    seen: list[int] = []

    async def main() -> None:
        run = threads.of_running_loop().run
        await asyncio.gather(*(run(partial(seen.append, number)) for number in range(100)))

    asyncio.run(main())
    threads.shutdown()
    assert seen == list(range(100))


class OutsideError(BaseException):
    """Not an Exception: as KeyboardInterrupt is."""


@pytest.mark.parametrize(
    ("error", "raised"),
    [(LookupError, LookupError), (StopIteration, RuntimeError), (OutsideError, OutsideError)],
)
def test_an_exception_is_raised_where_the_call_is_awaited(
    threads: HandlerThreads, error: type[BaseException], raised: type[BaseException]
) -> None:
    """The thread of a call that raises goes on with the next."""

    def fail() -> None:
        raise error

    async def main() -> None:
        run = threads.of_running_loop().run
        with pytest.raises(raised):
            await asyncio.wait_for(run(fail), TIMEOUT)
        await asyncio.wait_for(run(lambda: None), TIMEOUT)

    asyncio.run(main())


def test_a_call_that_is_given_up_before_it_begins_does_not_run(threads: HandlerThreads) -> None:
    """A cancelled call that waits for a thread is left out."""
    release = threading.Event()
    seen: list[str] = []

    async def main() -> None:
        run = threads.of_running_loop().run
        blocked = [run(lambda: release.wait(TIMEOUT)) for _ in range(4)]
        given_up = run(lambda: seen.append("given up"))
        kept = run(lambda: seen.append("kept"))
        given_up.cancel()
        release.set()
        await asyncio.wait_for(asyncio.gather(*blocked, kept), TIMEOUT)

    asyncio.run(main())
    assert seen == ["kept"]


def test_a_loop_that_closes_leaves_the_threads_working(threads: HandlerThreads) -> None:
    """A call whose event loop has closed before its end raises nothing; others go on."""
    release = threading.Event()
    ended = threading.Event()

    def block() -> None:
        release.wait(TIMEOUT)
        ended.set()

    async def leave() -> None:
        threads.of_running_loop().run(block)

    async def stay() -> None:
        await asyncio.wait_for(threads.of_running_loop().run(lambda: None), TIMEOUT)

    asyncio.run(leave())
    release.set()
    assert ended.wait(TIMEOUT)
    for _ in range(5):
        asyncio.run(stay())


def test_without_any_thread_the_call_fails(
    threads: HandlerThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system gives no thread, RuntimeError is raised, and the call never runs."""
    seen: list[str] = []

    async def main() -> None:
        run = threads.of_running_loop().run
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await asyncio.wait_for(run(lambda: seen.append("refused")), TIMEOUT)
        await asyncio.wait_for(run(lambda: seen.append("run")), TIMEOUT)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    asyncio.run(main())
    assert seen == ["run"]


ENDING = {
    "after its turn": "asyncio.run(main())",
    "in the same turn": """
loop = asyncio.new_event_loop()
loop.call_soon(lambda: (make_call(), loop.stop()))
loop.run_forever()
loop.close()
""",
}
"""When the event loop of a call ends; in its turn, it has woken no thread for it yet."""


@pytest.mark.parametrize("ending", ENDING)
def test_calls_are_finished_when_the_process_exits(ending: str) -> None:
    """A call that has been made is run to its end before the process exits, and then it exits."""
    code = f"""
import asyncio, time
from consumers.tuned.handler_threads import HandlerThreads
threads = HandlerThreads(2)
def make_call():
    run = threads.of_running_loop().run
    run(lambda: (time.sleep(0.5), print("finished", flush=True)))
async def main():
    make_call()
{ENDING[ending]}
"""
    began = time.monotonic()
    assert run_python(code) == "finished"
    assert time.monotonic() - began >= 0.5


@pytest.mark.skipif(sys.platform == "win32", reason="There is no fork on Windows.")
def test_a_forked_process_starts_threads_of_its_own() -> None:
    """After a fork, which leaves all threads behind, calls run in the child too."""
    code = """
import asyncio, os
from consumers.tuned.handler_threads import HandlerThreads
threads = HandlerThreads(2)
async def main():
    await asyncio.wait_for(threads.of_running_loop().run(lambda: None), 20)
asyncio.run(main())
child = os.fork()
asyncio.run(main())
if child:
    print(os.waitpid(child, 0)[1])
"""
    assert run_python(code) == "0"
