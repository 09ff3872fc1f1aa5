"""What the table's coils were given and its switches said, and when: the newest changes of each.

Whoever times a board against the contract reads it here, on the table's clock and not the board's.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from droptable.sections import Section

CHANGES_KEPT = 4_000
"""Some dozens of drops, bounces included."""


class Signals(NamedTuple):
    """A tuple, since one is made at each event. What the board drives at one section, and what its switches tell the board."""

    lift: bool
    pin_withdrawn: bool
    lowering: bool
    up: bool
    down: bool
    pin: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A section's signals from `us` on; the first of each section is how it began."""

    us: int
    section: Section
    signals: Signals


class History:
    """The newest changes, oldest first."""

    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self._newest: dict[Section, Signals] = {}

    def note(self, now_us: int, section: Section, signals: Signals) -> None:
        """Keep it if anything has changed."""
        if self._newest.get(section) != signals:
            self._newest[section] = signals
            self._changes.append(Change(now_us, section, signals))

    def after(self, us: int) -> Iterator[Change]:
        """The changes that are kept and came later than `us`."""
        return (change for change in self._changes if change.us > us)
