"""The faults of a board itself, as far as a simulated one can be had with them.

Each comes about as it would on a bench: a board that browns out resets, a crystal is off, frames on
the wire get lost. The board's code is never reached into.
"""

from collections.abc import Sequence

from droptable.board.model import Phase
from droptable.link.frames import DELIMITER, Frame, read
from droptable.link.messages import FROM_HOST, EventAck


class BrownOut:
    """Waits for a section to enter a phase; then the power fails, once."""

    def __init__(self, phase: Phase, phases: Sequence[Phase]) -> None:
        self._phase = phase
        self._before = tuple(phases)

    def strikes(self, phases: Sequence[Phase]) -> bool:
        """Whether a section has entered the phase since the last look."""
        before, self._before = self._before, tuple(phases)
        return any(
            now is self._phase and now is not was for was, now in zip(before, phases, strict=True)
        )


class LostAcks:
    """A wire on which EVENT_ACKs get lost and all else arrives, in pieces of any size.

    Whoever mends it loses the frame that is under way.
    """

    def __init__(self) -> None:
        self._partial = b""

    def passes(self, received: bytes) -> bytes:
        """What arrives of it; the beginning of a frame arrives with its end."""
        *ended, self._partial = (self._partial + received).split(DELIMITER)
        return b"".join(frame + DELIMITER for frame in ended if not _is_ack(frame))


def _is_ack(encoded: bytes) -> bool:
    frame = read(encoded, FROM_HOST)
    return isinstance(frame, Frame) and isinstance(frame.message, EventAck)
