"""What really happens at a section, for tests and the world; no sensor tells it and no board sees it."""

from dataclasses import dataclass

from droptable.sections import Section


@dataclass(frozen=True, slots=True)
class PhysicalDrop:
    """A fall from the top to the bottom that really happened, whoever noticed."""

    section: Section
    up_edge_us: int
    down_edge_us: int
    fall_us: int
    """Between the first edges of the two switches."""
    peak_n: float
    """The greatest load from 200 ms before the up edge to the down edge, free of noise."""


@dataclass(frozen=True, slots=True)
class SectionTruth:
    """What a section really does, as no sensor can tell."""

    height_um: float
    velocity_um_s: float
    """Upwards; a fall is negative."""
    pin_in: bool
    """The pin holds the section: it cannot move."""
    pin_position: float
    """0 wholly withdrawn, 1 wholly in."""
    falling: bool
    load_n: float
    breakaway_n: float
    drops: int
    last_fall_us: int | None
    """How long the last whole fall took."""
