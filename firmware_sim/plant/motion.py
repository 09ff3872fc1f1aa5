"""How things travel from one place to another: at an even pace, or in free fall. Pure values.

Times are whole microseconds. A crossing is told as the first microsecond at which it has happened,
so that whoever looks then sees it, and whoever looked before did not.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt

FALL_STEP_US = 100
"""A rise of thrust takes 80 ms and more, so its force hardly changes in one step."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """An even motion from `start` at `from_us` to `end`, where it rests; `speed` is per second."""

    from_us: int
    start: float
    end: float
    speed: float

    @classmethod
    def resting(cls, at: float) -> "Ramp":
        return cls(0, at, at, 0.0)

    @property
    def pace(self) -> float:
        """The speed with the sign of its direction, per second; 0 for what never moves."""
        if self.start == self.end:
            return 0.0
        return self.speed if self.end > self.start else -self.speed

    @property
    def arrives_us(self) -> int:
        if self.start == self.end:
            return self.from_us
        return self.from_us + ceil(abs(self.end - self.start) * 1e6 / self.speed)

    def at(self, now_us: int) -> float:
        if now_us >= self.arrives_us:
            return self.end
        return self.start + self.pace * (now_us - self.from_us) / 1e6

    def pace_at(self, now_us: int) -> float:
        return 0.0 if now_us >= self.arrives_us else self.pace

    def toward(self, end: float, speed: float, now_us: int) -> "Ramp":
        """The motion from here to `end`; this one itself when it already goes there so fast."""
        if end == self.end and (speed == self.speed or now_us >= self.arrives_us):
            return self
        return Ramp(now_us, self.at(now_us), end, speed)

    def stopped(self, now_us: int) -> "Ramp":
        """At rest where it is now."""
        return self if now_us >= self.arrives_us else Ramp.resting(self.at(now_us))

    def next_crossing_us(self, marks: tuple[float, ...], now_us: int) -> int | None:
        """When it next reaches one of `marks`, leaves one that it stands on, or arrives."""
        if now_us >= self.arrives_us:
            return None
        here, pace = self.at(now_us), self.pace
        ahead = [us for mark in marks if (us := (mark - here) * 1e6 / pace) >= 0]
        return min(self.arrives_us, now_us + max(1, ceil(min(ahead)))) if ahead else self.arrives_us


class Fall:
    """A fall to the bottom stop, summed once when it begins.

    In a step of length dt with the acceleration a the way is v dt + a dt²/2 and the speed gained
    a dt. Each step takes its acceleration at its middle, so a constant force is summed exactly, and
    a crossing inside a step is the root of that quadratic: not one of the step's ends. A fall from
    the height h under a constant acceleration therefore lasts sqrt(2 h / a).
    """

    def __init__(
        self, from_us: int, height_um: float, speed: float, pull: Callable[[int], float]
    ) -> None:
        """`speed` is downwards in µm/µs (that is m/s), `pull` the acceleration in m/s², above 0."""
        self.from_us = from_us
        self.top_um = height_um
        self._fallen_um = [0.0]
        self._speed = [speed]
        self._pull: list[float] = []
        while self._fallen_um[-1] < height_um:
            self._take_step(pull)
        self.lands_us = self.first_us_at(0.0)

    def _take_step(self, pull: Callable[[int], float]) -> None:
        dt = FALL_STEP_US
        middle_us = self.from_us + len(self._pull) * dt + dt // 2
        acceleration = pull(middle_us) * 1e-6  # m/s² are 1e-6 µm/µs²
        self._pull.append(acceleration)
        self._fallen_um.append(self._fallen_um[-1] + (self._speed[-1] + acceleration * dt / 2) * dt)
        self._speed.append(self._speed[-1] + acceleration * dt)

    def _step_at(self, now_us: int) -> tuple[int, int]:
        """The step that `now_us` lies in, and how far into it."""
        step = min((now_us - self.from_us) // FALL_STEP_US, len(self._pull) - 1)
        return step, now_us - self.from_us - step * FALL_STEP_US

    def height_um(self, now_us: int) -> float:
        if now_us >= self.lands_us:
            return 0.0
        step, dt = self._step_at(now_us)
        fallen_um = self._fallen_um[step] + (self._speed[step] + self._pull[step] * dt / 2) * dt
        return max(0.0, self.top_um - fallen_um)

    def speed(self, now_us: int) -> float:
        """Downwards, in µm/µs; up to the moment of landing, not after it."""
        step, dt = self._step_at(now_us)
        return self._speed[step] + self._pull[step] * dt

    def first_us_at(self, height_um: float) -> int:
        """The first microsecond at which the section is at `height_um` or below."""
        way_um = self.top_um - height_um
        if way_um <= 0:
            return self.from_us
        step = bisect_left(self._fallen_um, way_um) - 1
        speed, pull = self._speed[step], self._pull[step]
        rest_um = way_um - self._fallen_um[step]
        # The root of pull dt²/2 + speed dt = rest, in the form that cancels nothing.
        dt = 2 * rest_um / (speed + sqrt(speed * speed + 2 * pull * rest_um))
        return self.from_us + ceil(step * FALL_STEP_US + dt)
