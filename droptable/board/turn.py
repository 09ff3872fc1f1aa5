"""One step under way: the state as it becomes, and the answers that it gives. Pure, and no law in it.

The parts of a step (`sensing.py`, `asks.py`, `phases.py`, `drops.py`, `reporting.py`) are functions
of a Turn. They change the board only through it, so that a View is never older than what it shows.
"""

from dataclasses import replace
from typing import Any

from droptable.board.model import Answer, Inputs, Kind, LoadHistory
from droptable.board.state import SectionState, State, View

SECTIONS = (0, 1, 2)


class Turn:
    """A step's working place; lives no longer than the step."""

    __slots__ = ("_views", "answers", "board", "inputs", "loads", "now_us")

    def __init__(self, board: State, inputs: Inputs, now_us: int, loads: LoadHistory) -> None:
        self.board = board
        self.inputs = inputs
        self.now_us = now_us
        self.loads = loads
        self.answers: list[Answer] = []
        self._views: list[View | None] = [None, None, None]

    def view(self, at: int) -> View:
        """A section in its surroundings as they are now; the same one until something changes."""
        view = self._views[at]
        if view is None or view.board is not self.board:
            view = self._views[at] = View(self.board, self.inputs, at, self.now_us)
        return view

    def section(self, at: int) -> SectionState:
        return self.board.sections[at]

    def change(self, **fields: Any) -> None:
        """The board with some of its fields changed."""
        self.board = replace(self.board, **fields)

    def keep(self, at: int, section: SectionState) -> None:
        """The board with one of its sections replaced."""
        before = self.board.sections
        thoracic, lumbar, pelvic = (section if at == n else before[n] for n in SECTIONS)
        self.change(sections=(thoracic, lumbar, pelvic))

    def tell(
        self,
        kind: Kind,
        section: int,
        a: int = 0,
        b: int = 0,
        c: int = 0,
        *,
        at_us: int | None = None,
    ) -> None:
        """Record an event; it is sent when the step is reported."""
        event_us = self.now_us if at_us is None else at_us
        self.change(events=self.board.events.add(kind, event_us, section, a, b, c))
