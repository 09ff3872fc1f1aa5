"""Bytes that were caught on a link, taken apart for a person: each frame, where it lay, what is lost.

For tools that look and do not take part: where a `Decoder` counts what it discards, a `Capture`
shows it. Both directions may lie in one capture, for no type is sent by both. No I/O.
"""

from dataclasses import dataclass

from droptable.link.frames import DELIMITER, MAX_ENCODED_BYTES, Discard, Frame, read
from droptable.link.messages import EVERY_MESSAGE, FROM_HOST, Boot, Hello, Stop
from droptable.link.session import SequenceWindow

_SESSIONS_KEPT = 8
_Sender = tuple[bool, int]
"""Whether it is the host, and its session."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What lay between two zero bytes, and what a receiver makes of it by itself.

    Whether it would also be discarded as `session` or `stale` only its receiver knows.
    """

    offset: int
    """Of its first byte, from the beginning of the capture."""
    size: int
    """Its bytes on the wire, the zero that ends it included."""
    encoded: bytes
    """These bytes without the zero; only the first of them where it is too long to be a frame."""
    frame: Frame | None
    """What it says, if it is whole."""
    discard: Discard | None
    """Why a receiver would not act on it."""
    lost: int = 0
    """Frames of the same sender and session that should lie between it and the one before."""


class Capture:
    """One capture, fed in pieces of any size; holds no more than one frame's worth of bytes."""

    def __init__(self) -> None:
        self._partial = bytearray()
        self._size = 0
        self._offset = 0
        self._windows: dict[_Sender, SequenceWindow] = {}

    @property
    def unended(self) -> int:
        """How many bytes came after the last zero."""
        return self._size

    def feed(self, caught: bytes) -> list[Piece]:
        """The pieces that `caught` completes, in order; empty ones are no pieces."""
        pieces = []
        *ended, rest = caught.split(DELIMITER)
        for part in ended:
            self._keep(part)
            if self._size:
                pieces.append(self._piece())
            self._offset += self._size + len(DELIMITER)
            self._partial.clear()
            self._size = 0
        self._keep(rest)
        return pieces

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        self._partial += part[: MAX_ENCODED_BYTES - len(self._partial)]

    def _piece(self) -> Piece:
        encoded, size = bytes(self._partial), self._size + len(DELIMITER)
        if self._size > MAX_ENCODED_BYTES:
            return Piece(self._offset, size, encoded, None, Discard.LENGTH)
        found = read(encoded, EVERY_MESSAGE)
        if isinstance(found, Discard):
            return Piece(self._offset, size, encoded, None, found)
        lost = self._lost_before(found)
        if lost is None:
            return Piece(self._offset, size, encoded, found, Discard.SEQUENCE)
        return Piece(self._offset, size, encoded, found, None, lost)

    def _lost_before(self, frame: Frame) -> int | None:
        """How many frames are missing before this one; None when it repeats or comes too late.

        A sender and session that were not heard before are believed. BOOT follows no sequence,
        HELLO only begins one, and a STOP takes a number but may come at any time.
        """
        if isinstance(frame.message, Boot) or frame.session == 0:
            return 0
        sender = (frame.message.TYPE in FROM_HOST, frame.session)
        if (window := self._windows.get(sender)) is None:
            if len(self._windows) == _SESSIONS_KEPT:
                del self._windows[next(iter(self._windows))]
            self._windows[sender] = SequenceWindow(last=frame.seq)
            return 0
        if isinstance(frame.message, Hello):
            return 0
        lost = window.accept(frame.seq)
        return lost or 0 if isinstance(frame.message, Stop) else lost
