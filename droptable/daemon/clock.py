"""Time, sleep and dice for everything that is not pure: the one place where droptable asks for them.

Nobody else reads a clock, sleeps or rolls dice, so that the whole system also runs in virtual time,
where `firmware_sim/virtual.py` stands in for this clock. No deadline that safety rests on is kept
here: those are the board's.
"""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the daemon knows of time and chance."""

    def monotonic_us(self) -> int:
        """Microseconds since some moment; never goes back, not even when the wall clock is set."""

    def utc(self) -> datetime:
        """What the wall clock says, in UTC; it may jump, so no duration is taken from it."""

    async def sleep_until_us(self, at_us: int) -> None:
        """Return at `at_us` of `monotonic_us`, maybe later, never earlier.

        A moment that is past returns after one turn of the loop, so that who is late starves nobody.
        """

    def call_at_us(self, at_us: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Have `callback` called at `at_us` or a little later, unless the handle is cancelled."""

    def random_u32(self) -> int:
        """A number from 1 to 2**32 - 1 that nobody can guess: 0 means none on the board link."""

    def random_float(self) -> float:
        """A number from 0 up to but not including 1, to spread retries with."""


class SystemClock:
    """The machine's own clock and dice, for whatever real loop runs."""

    def __init__(self) -> None:
        self._dice = random.SystemRandom()

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    def utc(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until_us(self, at_us: int) -> None:
        await asyncio.sleep(max(0, at_us - self.monotonic_us()) / 1e6)
        # A loop may fire a timer early by its clock's resolution, and a microsecond early is early.
        if self.monotonic_us() < at_us:
            await self.sleep_until_us(at_us)

    def call_at_us(self, at_us: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        delay_s = max(0, at_us - self.monotonic_us()) / 1e6
        return asyncio.get_running_loop().call_later(delay_s, callback)

    def random_u32(self) -> int:
        return self._dice.randrange(1, 2**32)

    def random_float(self) -> float:
        return self._dice.random()
