"""What the daemon feels of the machine beneath it: its own loop, the disk, the clock on the wall.

It measures and tells; the core judges. How late the loop is, is how late a timer fires: whatever
keeps the loop busy keeps a BEAT waiting just as long.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from droptable.core.events import CalibrationChanged, ClockStepped, DiskLooked, LoopLooked
from droptable.daemon.clock import Clock

LOOK_US = 100_000
"""How often the loop's timer is due; a stall is seen at its end, whatever its length."""

LOOKS = 10
"""The worst of so many looks is what is told, each second; one over `LATE_US` is told at once."""

LATE_US = 20_000
"""Far below what ends anything, and more than a loop at rest is ever late."""

DISK_EVERY = 50
"""How many looks lie between two at the disk: 5 s, in which a journal grows by kilobytes."""

STEP_US = 200_000
"""A clock that is slewed moves by half a millisecond a second; what moves by this much was set."""

MEGABYTE = 1_000_000

Sensed = DiskLooked | LoopLooked | ClockStepped | CalibrationChanged


class Hearer(Protocol):
    """Who is told; see `runner.py`."""

    def sense(self, sensed: Sensed) -> None: ...


class Senses:
    """Looks at the loop, the disk and the clock, until cancelled.

    `free_mb` gives the room on the disk, None when that cannot be told. `calibrations` is asked
    anew when the clock was set, as the day on which one expires is a date on the wall.
    """

    def __init__(
        self,
        hearer: Hearer,
        clock: Clock,
        *,
        free_mb: Callable[[], Awaitable[int | None]],
        calibrations: Callable[[], CalibrationChanged],
    ) -> None:
        self._hearer = hearer
        self._clock = clock
        self._free_mb = free_mb
        self._calibrations = calibrations
        self._wall_us = _wall_us(clock.utc(), clock.monotonic_us())

    async def look(self) -> None:
        """Look once at what does not need time to be seen, before anything can be asked for."""
        self._hearer.sense(self._calibrations())
        self._hearer.sense(DiskLooked(await self._free_mb()))

    async def run(self) -> None:
        """Look again and again."""
        self._hearer.sense(LoopLooked(await self._lateness_us()))
        looks = 0
        while True:
            worst_us = 0
            for _ in range(LOOKS):
                late_us = await self._lateness_us()
                worst_us = max(worst_us, late_us)
                if late_us >= LATE_US:
                    self._hearer.sense(LoopLooked(worst_us))
            self._hearer.sense(LoopLooked(worst_us))
            self._look_at_the_clock()
            looks += LOOKS
            if looks % DISK_EVERY == 0:
                self._hearer.sense(DiskLooked(await self._free_mb()))

    async def _lateness_us(self) -> int:
        due_us = self._clock.monotonic_us() + LOOK_US
        await self._clock.sleep_until_us(due_us)
        return self._clock.monotonic_us() - due_us

    def _look_at_the_clock(self) -> None:
        wall_us = _wall_us(self._clock.utc(), self._clock.monotonic_us())
        step_us, self._wall_us = wall_us - self._wall_us, wall_us
        if abs(step_us) >= STEP_US:
            self._hearer.sense(ClockStepped(step_us // 1000))
            self._hearer.sense(self._calibrations())


async def free_mb_at(folder: Path) -> int | None:
    """How much room the disk of `folder` has for programs that are not root's; None: not known.

    Asked on a thread, as the file system of a disk that hangs answers late, or never.
    """
    try:
        found = await asyncio.to_thread(os.statvfs, folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize // MEGABYTE


def _wall_us(utc: datetime, now_us: int) -> int:
    """What the wall clock says, less what has passed: it stays the same until somebody sets it."""
    return round(utc.timestamp() * 1_000_000) - now_us
