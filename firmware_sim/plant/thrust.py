"""What presses on a section over time: the patient at rest, and a practitioner's thrust.

The past is kept for as long as a load cell may be asked about it. Nothing here knows the section.
"""

from bisect import bisect_right
from dataclasses import dataclass
from math import cos, pi

SAMPLE_US = 1_000
"""The load cells are sampled at 1 kHz."""

MEMORY_US = 2_000_000
"""Longer than a trace and the look back of a drop's peak together."""


@dataclass(frozen=True, slots=True)
class Thrust:
    """A force that passes through `forces_n` at `knots_us`, each joined to the next by half a cosine.

    Half a cosine starts and ends with no jerk, as a hand does. Two knots at one time are a step.
    """

    knots_us: tuple[int, ...]
    forces_n: tuple[float, ...]

    def at(self, now_us: int) -> float:
        after = bisect_right(self.knots_us, now_us)
        if after == 0 or after == len(self.knots_us):
            return self.forces_n[-1] if after else self.forces_n[0]
        began_us, ends_us = self.knots_us[after - 1 : after + 1]
        before_n, then_n = self.forces_n[after - 1 : after + 1]
        share = (now_us - began_us) / (ends_us - began_us)
        return before_n + (then_n - before_n) * (1 - cos(pi * share)) / 2

    @property
    def ends_us(self) -> int:
        return self.knots_us[-1]

    def next_knot_us(self, now_us: int) -> int | None:
        after = bisect_right(self.knots_us, now_us)
        return self.knots_us[after] if after < len(self.knots_us) else None


NO_THRUST = Thrust((-SAMPLE_US,), (0.0,))


@dataclass(frozen=True, slots=True)
class ThrustShape:
    """A manual thrust: lean in, rise, hold, let go.

    Preloads are 20 to 100 N, peaks 200 to 600 N and at times 1000 N, rises 80 to 170 ms.
    """

    peak_n: float
    rise_ms: float
    preload_n: float
    preload_ms: float
    """How long the hands take to lean in."""
    hold_ms: float
    release_ms: float

    def __post_init__(self) -> None:
        if not 0 <= self.preload_n <= self.peak_n:
            raise ValueError("a thrust rises from its preload, 0 N or more, to its peak")
        if min(self.preload_ms, self.rise_ms, self.hold_ms, self.release_ms) < 0:
            raise ValueError("no part of a thrust lasts less than 0 ms")

    def begun(self, now_us: int, from_n: float) -> Thrust:
        """This shape from now on, starting at the force that the hands already give."""
        knots_us = [now_us]
        for part_ms in (self.preload_ms, self.rise_ms, self.hold_ms, self.release_ms):
            knots_us.append(knots_us[-1] + round(part_ms * 1_000))
        return Thrust(tuple(knots_us), (from_n, self.preload_n, self.peak_n, self.peak_n, 0.0))


MANUAL = ThrustShape(
    peak_n=400.0, rise_ms=120.0, preload_n=50.0, preload_ms=100.0, hold_ms=20.0, release_ms=120.0
)
"""What a hand does of which only the peak and the rise are said."""

PRESETS: dict[str, ThrustShape] = {
    # Taken up slowly, then in the middle of what is usual.
    "impulse": ThrustShape(
        peak_n=400.0,
        rise_ms=120.0,
        preload_n=60.0,
        preload_ms=300.0,
        hold_ms=20.0,
        release_ms=120.0,
    ),
    # Hardly leant in, as fast as hands are, and away again at once.
    "toggle-recoil": ThrustShape(
        peak_n=300.0, rise_ms=80.0, preload_n=20.0, preload_ms=100.0, hold_ms=0.0, release_ms=40.0
    ),
}
"""Thrusts as they are taught, each within what is usual; start there and change what you like."""


@dataclass(frozen=True, slots=True)
class _Spell:
    """A stretch of time with one patient's load and one thrust."""

    from_us: int
    rest_n: float
    thrust: Thrust


class Pressing:
    """All that presses on one section, now and up to MEMORY_US ago."""

    def __init__(self, start_us: int) -> None:
        self._spells = [_Spell(start_us, 0.0, NO_THRUST)]

    @property
    def rest_n(self) -> float:
        """What the patient at rest presses now."""
        return self._spells[-1].rest_n

    def thrust_n(self, now_us: int) -> float:
        """What the hands alone press; not for the past."""
        return self._spells[-1].thrust.at(now_us)

    def total_n(self, at_us: int) -> float:
        spell = self._spells[-1]
        if at_us < spell.from_us:
            spell = next(
                (past for past in reversed(self._spells) if past.from_us <= at_us), self._spells[0]
            )
        if at_us >= spell.thrust.ends_us:
            return spell.rest_n + spell.thrust.forces_n[-1]
        return spell.rest_n + spell.thrust.at(at_us)

    def peak_n(self, from_us: int, to_us: int) -> float:
        """The greatest force from `from_us` to `to_us`, to the millisecond and at every knot."""
        looks_us = {*range(from_us, to_us, SAMPLE_US), to_us}
        for spell in self._spells:
            looks_us.update(us for us in spell.thrust.knots_us if from_us <= us <= to_us)
        return max(self.total_n(us) for us in looks_us)

    def next_change_us(self, now_us: int) -> int | None:
        """The next sample or knot while a thrust is on; the last is the first sample after it."""
        thrust = self._spells[-1].thrust
        if now_us >= (thrust.ends_us // SAMPLE_US + 1) * SAMPLE_US:
            return None
        sample_us = (now_us // SAMPLE_US + 1) * SAMPLE_US
        knot_us = thrust.next_knot_us(now_us)
        return sample_us if knot_us is None else min(sample_us, knot_us)

    def patient(self, now_us: int, rest_n: float) -> None:
        if rest_n < 0:
            raise ValueError("a patient does not pull a section up")
        self._begin(_Spell(now_us, rest_n, self._spells[-1].thrust))

    def thrust(self, now_us: int, shape: ThrustShape) -> None:
        """Begin a thrust; one that is still on goes over into it."""
        self._begin(_Spell(now_us, self.rest_n, shape.begun(now_us, self.thrust_n(now_us))))

    def _begin(self, spell: _Spell) -> None:
        oldest_us = spell.from_us - MEMORY_US
        kept = bisect_right(self._spells, oldest_us, key=lambda past: past.from_us)
        self._spells = [*self._spells[max(0, kept - 1) :], spell]
