"""An event loop whose time is virtual: a clinic's day passes as fast as its callbacks run.

While anything is ready, time stands still; when nothing is, it jumps to the next timer. One seed
decides everything that is left to chance, so a seed replays a failure. It never waits for the real
world, and refuses, by name, whatever would: sockets, threads, child processes, signals.

With a seed, callbacks that become ready in the same turn run in shuffled order. asyncio would run
them in the order of their calls, but programs that rest on this are one `await` away from a bug. So
whoever needs an order keeps a queue, instead of making two calls to `call_soon`.
"""

import asyncio
import heapq
import inspect
import itertools
import math
import random
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SPIN_MAX_TURNS = 100_000
"""Turns without time passing after which a program spins; a busy start-up takes some hundred."""

CLEAN_UP_MAX_S = 60.0
"""Virtual seconds that the cancelled tasks of a program have after its time is over."""

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
"""What the wall clock says when virtual time starts; any fixed moment would do."""


class RealWorldRefused(RuntimeError):
    """Something asked the virtual loop for what only the real world has."""


class Stuck(RuntimeError):
    """Nothing can ever happen again, or time cannot pass; names the tasks and where they wait."""


class OutOfTime(RuntimeError):
    """The program did not end within its virtual time; names the tasks and where they wait."""


def run_virtual(
    main: Coroutine[Any, Any, T], *, seed: int | None = 0, limit_s: float = 3600.0
) -> T:
    """Run `main` to its end in virtual time, and give what it returns.

    Without a seed callbacks run in asyncio's order. Raises OutOfTime when `main` takes more than
    `limit_s` virtual seconds, Stuck when nothing can happen any more, and an ExceptionGroup with
    the errors that no task or handler saw.
    """
    loop = VirtualLoop(seed, limit_s=limit_s)  # type: ignore[abstract]  # it refuses what it lacks
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            result = runner.run(main)
        except (Stuck, OutOfTime):
            runner.run(_break_off())
            raise
    if loop.unseen:
        raise ExceptionGroup("errors that nobody saw", loop.unseen)
    return result


async def _break_off() -> None:
    """Cancel all tasks, the first one first, and let them clean up."""
    tasks = sorted(asyncio.all_tasks() - {asyncio.current_task()}, key=hash)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class VirtualClock:
    """`daemon/clock.py`'s Clock in the time of the virtual loop that runs, with seeded dice."""

    def __init__(self, seed: int = 0, *, epoch: datetime = EPOCH) -> None:
        self._dice = random.Random(seed)
        self._epoch = epoch

    def monotonic_us(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e6)

    def utc(self) -> datetime:
        return self._epoch + timedelta(microseconds=self.monotonic_us())

    async def sleep_until_us(self, at_us: int) -> None:
        loop = asyncio.get_running_loop()
        due = loop.create_future()
        # At the moment itself, not after a difference: no rounding adds up over a day.
        timer = loop.call_at(at_us / 1e6, _resolve, due)
        try:
            await due
        finally:
            timer.cancel()

    def call_at_us(self, at_us: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_at(at_us / 1e6, callback)

    def random_u32(self) -> int:
        return self._dice.randrange(1, 2**32)

    def random_float(self) -> float:
        return self._dice.random()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _NumberedTask(asyncio.Task[T]):
    """A task whose place in a set follows from its number.

    asyncio keeps tasks in sets and cancels them in the order of those, which for plain tasks is that
    of their addresses in memory: another one in every process.
    """

    def __init__(self, coro: Coroutine[Any, Any, T], *, number: int, **options: Any) -> None:
        self._number = number  # first: asyncio puts the task into a set while it is made
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.AbstractEventLoop):
    """The loop that the module tells of; `run_virtual` runs a program on one."""

    def __init__(self, seed: int | None = 0, *, limit_s: float = math.inf) -> None:
        self._now_s = 0.0
        self._limit_s = limit_s
        self._dice = None if seed is None else random.Random(seed)
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._cancelled_timers = 0
        self._numbers = itertools.count()
        self._streams: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        self._thread: int | None = None
        self._stopping = self._closed = self._debug = False
        self.unseen: list[Exception] = []

    # Time

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self._check_open()
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, _handle: asyncio.TimerHandle) -> None:
        """asyncio tells of a cancelled timer. A heap mostly of those is made anew without them."""
        self._cancelled_timers += 1
        if self._cancelled_timers > 64 + len(self._timers) // 2:
            self._timers = [timer for timer in self._timers if not timer[2].cancelled()]
            heapq.heapify(self._timers)
            self._cancelled_timers = 0

    # Turns

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self._check_open()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Like `call_soon`; from another thread it is refused, as threads take real time."""
        if self._thread not in {None, threading.get_ident()}:
            _refuse("call_soon_threadsafe from another thread")
        return self.call_soon(callback, *args, context=context)

    def run_forever(self) -> None:
        self._check_open()
        if self.is_running():
            raise RuntimeError("this loop is running already")
        hooks = sys.get_asyncgen_hooks()
        self._thread = threading.get_ident()
        sys.set_asyncgen_hooks(firstiter=self._streams.add, finalizer=self._finish_stream)
        asyncio._set_running_loop(self)
        try:
            self._run_turns()
        finally:
            self._stopping = False
            self._thread = None
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    def _run_turns(self) -> None:
        turns = 0
        while not self._stopping:
            before_s = self._now_s
            self._jump_when_idle()
            self._run_turn()
            turns = turns + 1 if self._now_s == before_s else 0
            if turns > SPIN_MAX_TURNS:
                raise Stuck(f"{turns} turns and no time passed at {self._now_s} s{self._waiting()}")

    def _jump_when_idle(self) -> None:
        """Make due timers ready; when nothing else is, let the next one be due now."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
            self._cancelled_timers -= 1
        if not self._ready:
            if not self._timers:
                raise Stuck(f"nothing can happen after {self._now_s} s{self._waiting()}")
            self._pass_to(max(self._now_s, self._timers[0][0]))
        while self._timers and self._timers[0][0] <= self._now_s:
            self._ready.append(heapq.heappop(self._timers)[2])

    def _pass_to(self, next_s: float) -> None:
        if next_s > self._limit_s:
            over_s, self._limit_s = self._limit_s, self._now_s + CLEAN_UP_MAX_S
            raise OutOfTime(f"not done after {over_s} virtual seconds{self._waiting()}")
        self._now_s = next_s

    def _run_turn(self) -> None:
        """Run what is ready now; what becomes ready by that waits for the next turn."""
        turn, self._ready = self._ready, []
        if self._dice is not None and len(turn) > 1:
            self._dice.shuffle(turn)
        turn.reverse()
        try:
            while turn:
                handle = turn.pop()
                if not handle.cancelled():
                    handle._run()
        finally:
            # Only an interrupt leaves any over.
            self._ready[:0] = reversed(turn)

    def _waiting(self) -> str:
        """The unfinished tasks, each with the line where it waits."""
        lines = []
        for task in sorted(asyncio.all_tasks(self), key=hash):
            where = "".join(
                f" in {frame.f_code.co_qualname}, line {frame.f_lineno}"
                for frame in task.get_stack(limit=1)
            )
            lines.append(f"\n  {task.get_name()} waits{where}")
        return "; these tasks wait:" + "".join(lines) if lines else ""

    def run_until_complete(self, future: Any) -> Any:
        is_new = not asyncio.isfuture(future)
        task = asyncio.ensure_future(future, loop=self)
        task.add_done_callback(self._stop_after)
        try:
            self.run_forever()
        except BaseException:
            if is_new and task.done() and not task.cancelled():
                task.exception()  # seen here: what is raised is graver
            raise
        finally:
            task.remove_done_callback(self._stop_after)
        if not task.done():
            raise RuntimeError("the loop was stopped before its program was done")
        return task.result()

    def _stop_after(self, _: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._thread is not None

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        if self.is_running():
            raise RuntimeError("a running loop cannot be closed")
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("this loop is closed")

    # Tasks, futures, async generators

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        self._check_open()
        number = next(self._numbers)
        # A name of its own: asyncio's count of unnamed tasks goes on from run to run.
        name = name or f"task-{number}"
        return _NumberedTask(coro, number=number, loop=self, name=name, context=context)

    def _finish_stream(self, stream: AsyncGenerator[Any, Any]) -> None:
        """Close an async generator that was dropped before its end."""
        self._streams.discard(stream)
        if not self._closed:
            self.create_task(stream.aclose())

    async def shutdown_asyncgens(self) -> None:
        streams, self._streams = list(self._streams), weakref.WeakSet()
        for stream in streams:
            try:
                await stream.aclose()
            except Exception as error:  # noqa: BLE001 - kept; the other streams are closed too
                self.unseen.append(error)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Nothing to do: threads are refused."""

    # Errors and debugging

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep an error that no task or callback took; `run_virtual` raises it at its end."""
        error = context.get("exception")
        self.unseen.append(
            error if isinstance(error, Exception) else RuntimeError(context["message"])
        )

    def get_debug(self) -> bool:
        return self._debug

    def set_debug(self, enabled: bool) -> None:
        self._debug = enabled


def _refuse(what: str) -> NoReturn:
    raise RealWorldRefused(
        f"{what}: virtual time has no sockets, threads, child processes or signals; "
        "give the program under test a part that needs none, or run it on a real loop"
    )


def _refuses(name: str) -> Callable[..., NoReturn]:
    def refused(_: VirtualLoop, *_args: object, **_kwargs: object) -> NoReturn:
        _refuse(name)

    refused.__name__ = name
    return refused


# Everything that asyncio's loops can do and this one does not.
for _name, _ in inspect.getmembers(asyncio.AbstractEventLoop, inspect.isfunction):
    if not _name.startswith("_") and _name not in vars(VirtualLoop):
        setattr(VirtualLoop, _name, _refuses(_name))
