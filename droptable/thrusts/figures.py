"""The figures of a thrust, from the load trace around a drop. Pure.

A trace is the load on the section, 1000 samples a second, around the moment at which the section
left its up switch. It holds the patient's rest as well as the hand, so every force here but
`release_n` is above `rest_n`, the load before anyone pressed.

The words are those in which force-time profiles of high-velocity low-amplitude thrusts are usually
described: preload, peak, time to peak, rate of loading and impulse (for instance Nyirö et al.,
Chiropractic & Manual Therapies 32, 2024). That the instantaneous rate is told beside the mean one
follows Gudavalli, J Manipulative Physiol Ther 37, 2014, who found it 1.7 to 1.8 times as high, at
the same 1000 samples a second. Where a thrust begins is nowhere agreed on; ours is in `_onset`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

PEAK_BEFORE_MS = 200
"""How long before the up edge the peak is looked for; the same as in the board's DROP event."""

MEAN_OVER_MS = 5
"""Each side of a moment, for its rate: averages the cell's noise, a twentieth of a usual rise."""

PRELOAD_OVER_MS = 20
"""Before the onset, for the preload."""

ONSET_RATE = 0.1
"""The thrust has begun when its rate exceeds this part of its greatest rate."""

THRUST_MIN_N = 20.0
"""A peak that is less above the preload is no thrust: the patient moved, or was heavy enough."""


@dataclass(frozen=True, slots=True)
class Thrust:
    """What the hand did. Each figure is None where the trace does not show it."""

    peak_n: float | None = None
    """The greatest force from 200 ms before the up edge to the down edge."""
    release_n: float | None = None
    """The whole load, the patient's rest included, as the section left the top."""
    preload_n: float | None = None
    """The mean force of the 20 ms before the onset."""
    time_to_peak_ms: float | None = None
    """From the onset to the peak."""
    mean_rate_n_per_ms: float | None = None
    """Peak less preload, by the time to the peak."""
    peak_rate_n_per_ms: float | None = None
    """The greatest instantaneous rate between onset and peak."""
    impulse_n_s: float | None = None
    """The area under the force from the onset to the peak, by the trapezoidal rule."""


def thrust_of(
    samples_dn: Sequence[int | None], *, edge: int, fall_ms: float, rest_n: float
) -> Thrust:
    """The figures of the thrust in a trace with a sample each millisecond, in 0.1 N.

    `edge` is the index of the up edge, `fall_ms` the time from there to the down edge. A sample that
    does not exist is None; nothing is guessed in its place.
    """
    if not 0 <= edge < len(samples_dn):
        raise ValueError(f"the edge {edge} is not among {len(samples_dn)} samples")
    loads_n = [None if each is None else each / 10 for each in samples_dn]
    release_n = loads_n[edge]
    known = _known_around(loads_n, edge)
    window = range(max(0, edge - PEAK_BEFORE_MS), edge + int(fall_ms) + 1)
    if not (window.start in known and window[-1] in known):
        return Thrust(release_n=release_n)
    forces_n = [0.0 if each is None else each - rest_n for each in loads_n]
    peak = max(window, key=lambda at: (forces_n[at], -at))
    seen = Thrust(peak_n=round(forces_n[peak], 1), release_n=release_n)
    onset = _onset(forces_n, known, peak)
    if onset is None:
        return seen
    preload_n = fmean(forces_n[onset - PRELOAD_OVER_MS : onset])
    rise_n = forces_n[peak] - preload_n
    if rise_n < THRUST_MIN_N:
        return seen
    rates = [_rate(forces_n, at) for at in range(onset, peak + 1) if _has_rate(known, at)]
    return Thrust(
        peak_n=seen.peak_n,
        release_n=release_n,
        preload_n=round(preload_n, 1),
        time_to_peak_ms=float(peak - onset),
        mean_rate_n_per_ms=round(rise_n / (peak - onset), 3),
        peak_rate_n_per_ms=round(max(rates), 3),
        impulse_n_s=round(_area(forces_n[onset : peak + 1]), 3),
    )


def _known_around(loads_n: Sequence[float | None], edge: int) -> range:
    """The samples around the edge, as far as none is missing; empty when that one is."""
    if loads_n[edge] is None:
        return range(0)
    first, last = edge, edge
    while first > 0 and loads_n[first - 1] is not None:
        first -= 1
    while last + 1 < len(loads_n) and loads_n[last + 1] is not None:
        last += 1
    return range(first, last + 1)


def _has_rate(known: range, at: int) -> bool:
    return at - MEAN_OVER_MS in known and at + MEAN_OVER_MS in known


def _rate(forces_n: Sequence[float], at: int) -> float:
    """The slope at a moment, in N/ms: from the mean of the samples before it to that after it."""
    before = fmean(forces_n[at - MEAN_OVER_MS : at])
    after = fmean(forces_n[at + 1 : at + MEAN_OVER_MS + 1])
    return (after - before) / (MEAN_OVER_MS + 1)


def _onset(forces_n: Sequence[float], known: range, peak: int) -> int | None:
    """Where the thrust that has its peak there began; None when the trace begins later than it.

    Going back from the greatest rate before the peak, the first moment whose rate is no more than a
    tenth of it. A hand that leans in is slower than that, and a thrust is not.
    """
    moments = [at for at in range(known.start, peak + 1) if _has_rate(known, at)]
    if not moments:
        return None
    steepest = max(moments, key=lambda at: _rate(forces_n, at))
    slow = ONSET_RATE * _rate(forces_n, steepest)
    if slow <= 0:
        return None
    before = (at for at in range(steepest, moments[0] - 1, -1) if _rate(forces_n, at) <= slow)
    onset = next(before, None)
    return onset if onset is not None and onset - PRELOAD_OVER_MS in known else None


def _area(forces_n: Sequence[float]) -> float:
    """Newton seconds under samples a millisecond apart."""
    return sum((one + next_one) / 2 for one, next_one in pairwise(forces_n)) / 1000
