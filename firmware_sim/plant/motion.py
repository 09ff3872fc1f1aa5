"""How things travel from one place to another: at an even pace, or in free fall. Pure values.

Times are whole microseconds. A crossing is told as the first microsecond at which it has happened,
so that whoever looks then sees it, and whoever looked before did not.
"""

from bisect import bisect_left
from collections.abc import Callable
from math import ceil, sqrt

FALL_STEP_US = 100
"""A rise of thrust takes 80 ms and more, so its force hardly changes in one step."""


class Ramp:
    """An even motion to `end`, where it rests. It is never changed, only replaced."""

    __slots__ = ("_from_us", "_pace", "_start", "arrives_us", "end", "speed")

    def __init__(self, from_us: int, start: float, end: float, speed: float) -> None:
        """`speed` is per second, and above 0 unless it starts where it ends."""
        self.end = end
        self.speed = speed
        self._from_us = from_us
        self._start = start
        self._pace = speed if end >= start else -speed
        self.arrives_us = from_us if start == end else self._first_us_at(end)

    @classmethod
    def resting(cls, at: float) -> "Ramp":
        return cls(0, at, at, 0.0)

    def at(self, now_us: int) -> float:
        return self.end if now_us >= self.arrives_us else self._on_the_way(now_us)

    def pace_at(self, now_us: int) -> float:
        """The speed with the sign of its direction, per second."""
        return 0.0 if now_us >= self.arrives_us else self._pace

    def toward(self, end: float, speed: float, now_us: int) -> "Ramp":
        """The motion from here to `end`; this one itself when it already goes there so fast."""
        if end == self.end and (speed == self.speed or now_us >= self.arrives_us):
            return self
        return Ramp(now_us, self.at(now_us), end, speed)

    def stopped(self, now_us: int) -> "Ramp":
        """At rest where it is now."""
        return self if now_us >= self.arrives_us else Ramp.resting(self.at(now_us))

    def next_crossing_us(self, marks: tuple[float, ...], now_us: int) -> int | None:
        """When it next is at or past one of `marks`, off one that it stood on, or arrives."""
        if now_us >= self.arrives_us:
            return None
        moments = [self.arrives_us]
        for mark in marks:
            first_us = self._first_us_at(mark)
            moments += (first_us, first_us + 1)
        return min(us for us in moments if us > now_us)

    def _on_the_way(self, at_us: int) -> float:
        return self._start + self._pace * (at_us - self._from_us) / 1e6

    def _first_us_at(self, mark: float) -> int:
        """The first microsecond at which `_on_the_way` is at or past `mark`, as it rounds."""
        at_us = self._from_us + ceil((mark - self._start) * 1e6 / self._pace)
        return at_us - 1 if self._past(mark, at_us - 1) else at_us + (not self._past(mark, at_us))

    def _past(self, mark: float, at_us: int) -> bool:
        here = self._on_the_way(at_us)
        return here >= mark if self._pace > 0 else here <= mark


class Fall:
    """A fall to the bottom stop or to what lies above it, summed once when it begins.

    In a step of length dt with the acceleration a the way is v dt + a dt²/2 and the speed gained
    a dt. Each step takes its acceleration at its middle, so a constant force is summed exactly, and
    a crossing inside a step is the root of that quadratic: not one of the step's ends. A fall from
    the height h under a constant acceleration therefore lasts sqrt(2 h / a).
    """

    def __init__(
        self,
        from_us: int,
        height_um: float,
        speed: float,
        pull: Callable[[int], float],
        floor_um: float = 0.0,
    ) -> None:
        """`speed` is downwards in µm/µs (that is m/s), `pull` the acceleration in m/s², above 0."""
        self.from_us = from_us
        self.top_um = height_um
        self.floor_um = floor_um
        self._fallen_um = [0.0]
        self._speed = [speed]
        self._pull: list[float] = []
        while self._fallen_um[-1] < height_um - floor_um:
            self._take_step(pull)
        self.lands_us = self.first_us_at(floor_um)

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
        return self.floor_um if now_us >= self.lands_us else self._on_the_way(now_us)

    def speed(self, now_us: int) -> float:
        """Downwards, in µm/µs; up to the moment of landing, not after it."""
        step, dt = self._step_at(now_us)
        return self._speed[step] + self._pull[step] * dt

    def first_us_at(self, height_um: float) -> int:
        """The first microsecond at which the section is at `height_um` or below; not below its floor."""
        way_um = self.top_um - height_um
        if way_um <= 0:
            return self.from_us
        step = bisect_left(self._fallen_um, way_um) - 1
        speed, pull = self._speed[step], self._pull[step]
        rest_um = way_um - self._fallen_um[step]
        # The root of pull dt²/2 + speed dt = rest, in the form that cancels nothing.
        dt = 2 * rest_um / (speed + sqrt(speed * speed + 2 * pull * rest_um))
        at_us = self.from_us + ceil(step * FALL_STEP_US + dt)
        return next(us for us in (at_us - 1, at_us, at_us + 1) if self._on_the_way(us) <= height_um)

    def _on_the_way(self, at_us: int) -> float:
        step, dt = self._step_at(at_us)
        fallen_um = self._fallen_um[step] + (self._speed[step] + self._pull[step] * dt / 2) * dt
        return self.top_um - fallen_um
