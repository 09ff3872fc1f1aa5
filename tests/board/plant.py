"""A bench with weights on it: three sections that obey the coils, and fall when somebody thrusts.

Crude on purpose, in steps of a millisecond, and of another hand than the simulator's mechanics: what
it knows is which falls there really were.
"""

from dataclasses import dataclass

from droptable.board.model import Answer, Ask, Kind
from tests.board.bench import MS, SECTIONS, Bench

TOP_MM, RISE_MM, SINK_MM = 20.0, 0.1, 0.05
PIN_MS, FALL_MS = 8, 40


@dataclass
class Weight:
    """One section as a thing of metal."""

    height_mm: float = 0.0
    pin_in: bool = True
    pin_ms: int = 0
    """For how long the pin has been on its way."""
    top_ms: int = 0
    """For how long it has been at the top."""
    falling: bool = False
    left_us: int = 0


@dataclass(frozen=True)
class Fall:
    """A way from the top to the bottom that nothing lowered."""

    section: int
    left_us: int
    took_us: int


class Plant(Bench):
    """A bench whose contacts follow from what the board drives; each bounces for a millisecond."""

    def __init__(self, **of_bench: int) -> None:
        self.weights = (Weight(), Weight(), Weight())
        self.falls: list[Fall] = []
        self.drops: set[tuple[int, int, int, int]] = set()
        self._true: dict[tuple[int, str], bool] = {}
        self._changed_us: dict[tuple[int, str], int] = {}
        super().__init__(**of_bench)

    def tick(self, *asks: Ask) -> list[Answer]:
        answers = super().tick(*asks)
        self.drops |= {
            (event.event_seq, event.section, event.board_us, event.a)
            for event in self.events(Kind.DROP)
        }
        return answers

    def live(self, duration_ms: int) -> "Plant":
        """Time passes, and the sections do what they must."""
        for _ in range(duration_ms):
            self.now_us += MS
            for at in SECTIONS:
                self._move(at)
            self.tick()
        return self

    def thrust(self, at: int) -> None:
        """What nothing but the tension holds lets go."""
        weight = self.weights[at]
        if weight.top_ms > 2 and not weight.pin_in and not weight.falling:
            weight.falling, weight.left_us = True, self.now_us + MS

    def _move(self, at: int) -> None:
        weight, driven = self.weights[at], self.section(at).outputs
        if weight.falling:
            weight.height_mm = max(0.0, weight.height_mm - TOP_MM / FALL_MS)
            if weight.height_mm == 0.0:
                weight.falling, weight.height_mm = False, 0.0
                self.falls.append(Fall(at, weight.left_us, self.now_us - weight.left_us))
        elif driven.lift and not weight.pin_in:
            weight.height_mm = min(TOP_MM, round(weight.height_mm + RISE_MM, 3))
        elif driven.lowering and not weight.pin_in:
            weight.height_mm = max(0.0, round(weight.height_mm - SINK_MM, 3))
        weight.top_ms = weight.top_ms + 1 if weight.height_mm == TOP_MM else 0
        self._move_pin(weight, withdrawn=driven.pin_withdrawn)
        self._show(at, weight)

    def _move_pin(self, weight: Weight, *, withdrawn: bool) -> None:
        at_an_end = weight.height_mm in (0.0, TOP_MM)
        goes = weight.pin_in is withdrawn and (withdrawn or at_an_end)
        weight.pin_ms = weight.pin_ms + 1 if goes else 0
        if weight.pin_ms >= PIN_MS:
            weight.pin_in, weight.pin_ms = not withdrawn, 0

    def _show(self, at: int, weight: Weight) -> None:
        """Each change shows at once, then for a millisecond not, and then for good."""
        true = (weight.height_mm == TOP_MM, weight.height_mm == 0.0, weight.pin_in)
        for name, closed in zip(("up", "down", "pin"), true, strict=True):
            shown = getattr(self.contacts[at], name)
            since_us = self._changed_us.get((at, name), 0)
            if closed != self._true.get((at, name), shown):
                since_us = self._changed_us[at, name] = self.now_us
            self._true[at, name] = closed
            bounces = self.now_us == since_us + MS
            setattr(self.contacts[at], name, closed is not bounces)
