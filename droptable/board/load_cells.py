"""The load cells' recent samples, as the board's law asks for them. Pure: the converter has the pins.

A board may have none. One whose converter is quick enough keeps a trace around each drop; one that
is not knows forces at rest only.
"""

from bisect import bisect_right
from collections import deque
from itertools import islice
from typing import Protocol

from droptable.board.model import Feature

HISTORY_US = 1_500_000
"""How far back samples are kept; whoever keeps the history has to reach back one second."""

TRACE_EVERY_US = 1_000
"""Only samples this close together make a curve of a thrust."""

STALE_PERIODS = 3
"""A sample stands for the moments up to so many periods after it; then there is none."""


class Converter(Protocol):
    """What turns the force on the cells into counts."""

    every_us: int
    """How often it is worth asking."""

    def read(self) -> tuple[int | None, int | None, int | None] | None:
        """A sample of each section: counts, or None for one that says nothing about its load.

        None as a whole: there is no new sample yet. It never waits for one.
        """

    def close(self) -> None:
        """Let go of bus and pins."""


class LoadCells:
    """The `LoadHistory` of three cells behind one converter, or of none."""

    def __init__(self, converter: Converter | None) -> None:
        self._converter = converter
        self.due_us: int | None = None if converter is None else 0
        """When to call `sample` next; None when there is nothing to sample."""
        kept = 0 if converter is None else HISTORY_US // converter.every_us
        self._times_us: deque[int] = deque(maxlen=kept)
        self._samples: deque[tuple[int | None, int | None, int | None]] = deque(maxlen=kept)

    @property
    def features(self) -> Feature:
        """What a board with these cells has."""
        if self._converter is None:
            return Feature(0)
        curves = self._converter.every_us <= TRACE_EVERY_US
        return Feature.LOAD_CELLS | Feature.TARING | (Feature.TRACES if curves else Feature(0))

    def sample(self, now_us: int) -> None:
        """Ask the converter; whoever is late asks once, not once for each time that was missed."""
        if self._converter is None:
            return
        self.due_us = max((self.due_us or 0) + self._converter.every_us, now_us + 1)
        if (samples := self._converter.read()) is not None:
            self._times_us.append(now_us)
            self._samples.append(samples)

    def newest(self, section: int) -> tuple[int | None, int]:
        """The newest sample of a section and its time; None at 0 before there was any."""
        if not self._times_us:
            return None, 0
        return self._samples[-1][section], self._times_us[-1]

    def window(
        self, section: int, from_us: int, to_us: int, step_us: int
    ) -> tuple[int | None, ...]:
        """The newest sample at each moment; None where there was none, or too long before it."""
        moments = range(from_us, to_us, step_us)
        if self._converter is None:
            return (None,) * len(moments)
        stale_us = STALE_PERIODS * self._converter.every_us
        times_us = list(self._times_us)
        first = max(bisect_right(times_us, from_us) - 1, 0)
        raws = [sample[section] for sample in islice(self._samples, first, None)]
        times_us = times_us[first:]
        found: list[int | None] = []
        at = -1
        for moment_us in moments:
            while at + 1 < len(times_us) and times_us[at + 1] <= moment_us:
                at += 1
            there = at >= 0 and moment_us - times_us[at] <= stale_us
            found.append(raws[at] if there else None)
        return tuple(found)
