"""Fails a test that leaves something behind: a task, a thread, a child process, a file descriptor.

What was there before the test may stay: fixtures of a wider scope are set up before this one. What
the test's own fixtures made must be gone when they are torn down. Nothing is collected or retried
to get there, so whoever rests on the garbage collector fails too.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

import psutil
import pytest

THREAD_END_MAX_S = 2.0
"""A thread that was told to end gets this long; the test that told it need not wait for it."""

FAILED = pytest.StashKey[bool]()

_open_loops: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
_tasks_at_close: list[asyncio.Task[Any]] = []


@dataclass(frozen=True)
class Belongings:
    """What this process has at one moment."""

    tasks: frozenset[asyncio.Task[Any]]
    threads: frozenset[threading.Thread]
    children: frozenset[psutil.Process]
    descriptors: Counter[str]

    @classmethod
    def now(cls) -> "Belongings":
        return cls(
            frozenset(task for loop in list(_open_loops) for task in _pending(loop)),
            frozenset(threading.enumerate()),
            frozenset(psutil.Process().children(recursive=True)),
            Counter(_descriptors()),
        )


def _pending(loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[Any]]:
    return set() if loop.is_closed() else asyncio.all_tasks(loop)


def _descriptors() -> Iterator[str]:
    """What each open descriptor leads to: a path, or a kind with its inode."""
    for link in Path("/proc/self/fd").iterdir():
        try:
            yield str(link.readlink())
        except FileNotFoundError:
            continue  # the one that lists the directory


def left_behind(before: Belongings, after: Belongings) -> list[str]:
    """A line for everything that is there after, and was not before."""
    for thread in after.threads - before.threads:
        thread.join(THREAD_END_MAX_S)
    tasks = (after.tasks | frozenset(_tasks_at_close)) - before.tasks
    return [
        *(f"task {task.get_name()}: {task.get_coro()}" for task in tasks),
        *(
            f"thread {thread.name}"
            for thread in after.threads - before.threads
            if thread.is_alive()
        ),
        *(
            f"child process {child.pid}: {_told(child)}"
            for child in after.children - before.children
            if not _started_by(before.children, child)
        ),
        *(
            f"file descriptor to {target}"
            for target in (after.descriptors - before.descriptors).elements()
        ),
    ]


def _started_by(older: frozenset[psutil.Process], child: psutil.Process) -> bool:
    """Whether a process that was there before the test has started it: a browser that lives for all
    tests of a session starts processes of its own whenever it likes.
    """
    try:
        return not older.isdisjoint(child.parents())
    except psutil.Error:
        return False


def _told(child: psutil.Process) -> str:
    """Its command line; a child that ended and that nobody waited for has only a name."""
    try:
        return " ".join(child.cmdline()) or child.name()
    except psutil.Error:
        return "ended, and nobody waited for it"


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    _tasks_at_close.clear()
    before = Belongings.now()
    yield
    left = left_behind(before, Belongings.now())
    # A failed test keeps what it had in its traceback.
    if left and not request.node.stash.get(FAILED, False):
        pytest.fail("the test left behind:\n  " + "\n  ".join(sorted(left)), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Watch every loop that `asyncio.run` or pytest-asyncio runs: both are a Runner."""
    run, close = asyncio.Runner.run, asyncio.Runner.close

    def watched_run(self: asyncio.Runner, *args: Any, **options: Any) -> Any:
        _open_loops.add(self.get_loop())
        return run(self, *args, **options)

    def watched_close(self: asyncio.Runner) -> None:
        # A Runner cancels what still runs when it closes: too late to see it after that.
        for loop in [loop for loop in _open_loops if _is_of(loop, self)]:
            _tasks_at_close.extend(_pending(loop))
        close(self)

    patch = pytest.MonkeyPatch()
    patch.setattr(asyncio.Runner, "run", watched_run)
    patch.setattr(asyncio.Runner, "close", watched_close)
    config.add_cleanup(patch.undo)


def _is_of(loop: asyncio.AbstractEventLoop, runner: asyncio.Runner) -> bool:
    """Whether `runner` runs `loop`; one that is closed, or never ran, has none."""
    try:
        return runner.get_loop() is loop
    except RuntimeError:
        return False
