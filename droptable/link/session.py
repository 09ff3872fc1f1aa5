"""What is common to both ends of a session: sequence windows, ages, and the times of the contract.

A session is one host's hold on a board: an id that the host chose at random, a sequence number in
each direction, and a dead-man at both ends. `host_session.py` and `board_session.py` are those
ends. Nothing here reads a clock: `now_us` is handed in, monotonic, in microseconds.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

from droptable.link.frames import Discard

BEAT_EVERY_US = 50_000
"""Three fit into the dead-man, so that one lost frame and one late timer do no harm."""

DEAD_MAN_US = 150_000
"""Silence of the host after which the board's outputs go off."""

LINK_STALE_US = 150_000
"""Silence of the board after which the host believes nothing that it last said."""

STALE_FRAME_MS = 150
"""A BEAT or COMMAND older than this is a thing of the past and not acted on."""

STATUS_EVERY_US = 20_000
BOOT_EVERY_US = 500_000
TIME_EVERY_US = 1_000_000

ROUND_TRIP_MAX_US = 100_000
"""A constant delay is invisible to the age of a frame; above this round trip there is no lease."""

OFFSET_WINDOW_US = 2_000_000
"""How far back the offset of the host's clock is looked for: clocks 2 % apart do no harm."""

_MS_MODULUS = 1 << 32
_SEQ_MODULUS = 1 << 16
_SEQ_AHEAD_MAX = 32_767
_OFFSET_SAMPLES_MAX = 128


@dataclass(slots=True)
class Traffic:
    """What one receiver has thrown away and missed since it was made."""

    discards: Counter[Discard] = field(default_factory=Counter)
    lost: int = 0

    @property
    def discarded(self) -> int:
        """All discarded frames, whatever the reason."""
        return self.discards.total()


class SequenceWindow:
    """Which frame may come next: 1 to 32767 ahead of the last accepted one, modulo 65536."""

    def __init__(self, last: int = _SEQ_MODULUS - 1) -> None:
        self._last = last

    def accept(self, seq: int) -> int | None:
        """How many frames were skipped before `seq`; None when it repeats or comes too late."""
        ahead = (seq - self._last) % _SEQ_MODULUS
        if not 1 <= ahead <= _SEQ_AHEAD_MAX:
            return None
        self._last = seq
        return ahead - 1


class SequenceCounter:
    """The sender's side: 0, 1, 2 and so on, modulo 65536."""

    def __init__(self) -> None:
        self._next = 0

    def take(self) -> int:
        """The number for the frame that is sent now."""
        seq = self._next
        self._next = (seq + 1) % _SEQ_MODULUS
        return seq


def signed_ms(difference_ms: int) -> int:
    """A difference of two 32-bit millisecond clocks as the signed number nearest to zero."""
    return (difference_ms + _MS_MODULUS // 2) % _MS_MODULUS - _MS_MODULUS // 2


def clock_ms(now_us: int) -> int:
    """A microsecond clock as the 32-bit millisecond clock of the wire."""
    return now_us // 1000 % _MS_MODULUS


class FrameAge:
    """How old a frame that carries host_ms is, without a common clock.

    The offset between the clocks is the smallest difference seen among the frames of the last two
    seconds: some frame was as quick as the line allows, and a later one is older by what its own
    difference exceeds that. The samples kept are those that can still become the smallest, their
    differences rising; a flood of frames costs the newest of them, never the smallest.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque()

    def of(self, host_ms: int, now_us: int) -> int:
        """Milliseconds, 0 or more, since the frame that says `host_ms` was sent, as far as known."""
        difference = (clock_ms(now_us) - host_ms) % _MS_MODULUS
        samples = self._samples
        while samples and now_us - samples[0][0] > OFFSET_WINDOW_US:
            samples.popleft()
        while samples and signed_ms(samples[-1][1] - difference) >= 0:
            samples.pop()
        if len(samples) == _OFFSET_SAMPLES_MAX:
            samples.pop()
        samples.append((now_us, difference))
        # A clock that jumps by half its range has no smallest difference; it makes nothing younger.
        return max(0, signed_ms(difference - samples[0][1]))
