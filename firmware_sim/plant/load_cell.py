"""A load cell and its converter: counts for a force, with noise that depends on seed and time alone.

A sample is a function of its number, so the past need not be stored: whoever asks later for a
sample gets the one that was read then.
"""

from dataclasses import dataclass
from math import sqrt

from firmware_sim.plant.settings import Calibration

RAW_MAX = 0xFFFF
"""A converter of 16 bits: beyond about 2860 N it shows its last count."""

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_GOLDEN = 0x9E37_79B9_7F4A_7C15
_QUARTERS_SIGMA = 65_536 / sqrt(3)
"""Of the sum of four even 16-bit numbers: each has the variance 65536²/12."""


def _mixed(word: int) -> int:
    """64 well mixed bits: the finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    word = ((word ^ (word >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
    return word ^ (word >> 31)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the converter shows: the counts, None when it calls them invalid, and of which sample."""

    raw: int | None
    sample: int


@dataclass(frozen=True, slots=True)
class LoadCell:
    """One section's cell; `key` tells its noise from that of every other cell and seed."""

    truth: Calibration
    noise_n: float
    key: int

    def raw(self, load_n: float, sample: int) -> int:
        """The counts of sample number `sample` while `load_n` presses."""
        force_n = load_n + self.noise_n * self.noise(sample)
        counts = self.truth.load_zero_raw + round(force_n * 1e6 / self.truth.load_span_un)
        return min(max(counts, 0), RAW_MAX)

    def noise(self, sample: int) -> float:
        """About normal with sigma 1, and never beyond 3.5: the sum of four even numbers."""
        bits = _mixed((self.key + sample * _GOLDEN) & _MASK)
        total = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
        return (total - 2 * 65_535) / _QUARTERS_SIGMA


def noise_key(seed: int, section: int) -> int:
    """The key of a section's cell in a table with this seed, of which 64 bits count."""
    return _mixed(_mixed(seed & _MASK) + section + 1 & _MASK)
