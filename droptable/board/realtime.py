"""Asks the machine to let the board's loop run on time: each wish on its own, each answer reported.

None of them is needed to be safe: a loop that comes too late stops turning the watchdog over, and
the coils lose their power. They make it rarer.
"""

import ctypes
import gc
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass

MCL_CURRENT_AND_FUTURE = 3


@dataclass(frozen=True, slots=True)
class RealTime:
    """What is wished for."""

    priority: int
    """Of SCHED_FIFO, 1 to 99; 0 leaves the loop an ordinary program."""
    cpu: int | None
    """The core that it runs on alone, best one that `isolcpus` keeps free."""
    lock_memory: bool
    """Nothing of it is ever swapped out or read anew from the card."""
    freeze_collector: bool
    """What lives when the loop begins is never looked at again by the garbage collector."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a wish, in a few words."""

    granted: bool
    text: str


def ask_for(wishes: RealTime) -> tuple[Answer, ...]:
    """Everything that is wished for, for the calling thread and its memory."""
    return tuple(_answers(wishes))


def _answers(wishes: RealTime) -> Iterator[Answer]:
    if wishes.freeze_collector:
        yield _freeze_collector()
    if wishes.lock_memory:
        yield _lock_memory()
    if wishes.cpu is not None:
        yield _stay_on(wishes.cpu)
    if wishes.priority:
        yield _be_first(wishes.priority)


def _freeze_collector() -> Answer:
    gc.collect()
    gc.freeze()
    return Answer(True, "garbage collector frozen")


def _lock_memory() -> Answer:
    # Under a limit the lock may succeed now and an allocation fail in the middle of a drop.
    if os.geteuid() and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY:
        return Answer(False, "memory not locked: limit is not infinity")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT_AND_FUTURE):
        return Answer(False, f"memory not locked: {_reason(ctypes.get_errno())}")
    return Answer(True, "memory locked")


def _stay_on(cpu: int) -> Answer:
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError as error:
        return Answer(False, f"not on core {cpu}: {_reason(error.errno)}")
    return Answer(True, f"on core {cpu}")


def _be_first(priority: int) -> Answer:
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except OSError as error:
        return Answer(False, f"no SCHED_FIFO {priority}: {_reason(error.errno)}")
    return Answer(True, f"SCHED_FIFO {priority}")


def _reason(number: int | None) -> str:
    return os.strerror(number or 0).lower()
