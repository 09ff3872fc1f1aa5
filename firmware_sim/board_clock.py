"""How a board's clock runs beside the table's: from 0 at each boot, and as fast as its crystal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from droptable.board.model import Inputs
from firmware_sim.mechanics import Mechanics

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class BoardClock:
    """A clock that showed `board_us` at the table's `table_us`, and is `ppm` too fast."""

    table_us: int
    board_us: int = 0
    ppm: int = 0

    def shows(self, table_us: int) -> int:
        """What it shows at a moment of the table's."""
        return self.board_us + (table_us - self.table_us) * (MILLION + self.ppm) // MILLION

    def first_us(self, board_us: int) -> int:
        """The first moment of the table's at which it shows `board_us` or more."""
        to_go = (board_us - self.board_us) * MILLION
        return self.table_us - (-to_go // (MILLION + self.ppm))

    def running(self, table_us: int, ppm: int) -> "BoardClock":
        """This clock, that goes as fast as that from `table_us` on."""
        return replace(self, table_us=table_us, board_us=self.shows(table_us), ppm=ppm)

    @property
    def is_the_tables(self) -> bool:
        return self.table_us == self.board_us and not self.ppm


class TimedTable:
    """The table with its times as the board's clock has them; the `LoadHistory` of a board.

    What lies before the last change of the clock's speed is told as if it had always run like this.
    """

    def __init__(self, mechanics: Mechanics) -> None:
        self._mechanics = mechanics
        self._clock = BoardClock(mechanics.now_us)
        self._given: Inputs | None = None
        self._made: Inputs | None = None

    @property
    def clock(self) -> BoardClock:
        return self._clock

    @clock.setter
    def clock(self, clock: BoardClock) -> None:
        self._clock = clock
        self._given = None

    def inputs(self) -> Inputs:
        """All that the board senses now."""
        given = self._mechanics.inputs()
        if self._clock.is_the_tables:
            return given
        if self._made is None or given is not self._given:
            thoracic, lumbar, pelvic = (
                replace(one, load_us=self._clock.shows(one.load_us)) for one in given.sections
            )
            self._given, self._made = given, replace(given, sections=(thoracic, lumbar, pelvic))
        return self._made

    def window(
        self, section: int, from_us: int, to_us: int, step_us: int, /
    ) -> Sequence[int | None]:
        """Raw counts at moments of the board's clock; None before it booted."""
        if self._clock.is_the_tables:
            return self._mechanics.window(section, from_us, to_us, step_us)
        return [self._at(section, us) for us in range(from_us, to_us, step_us)]

    def _at(self, section: int, board_us: int) -> int | None:
        if board_us < 0:
            return None
        us = self._clock.first_us(board_us)
        return self._mechanics.window(section, us, us + 1, 1)[0]
